package realtime

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"chatbridge/internal/httpclient"
)

// remedy is what to do about a refusal.
type remedy uint8

const (
	// waitAndRetry: it passes by itself.
	waitAndRetry remedy = iota
	// fixByOperator: someone must change something; ask again now and then.
	fixByOperator
	// newToken: the key expired or was not accepted; a connection keeps the key
	// of its handshake, so dial again.
	newToken
	// redial: the server wants the connection gone.
	redial
)

// Refusal is why the server did not let us in or did not subscribe us.
type Refusal struct {
	// Step is `connect`, `join` or `subscribe`.
	Step string
	// Status is the HTTP status of a refused handshake, else 0.
	Status int
	// Text is the server's own.
	Text string
	// Hint is what the operator can do; empty where waiting is all there is.
	Hint string

	kind remedy
}

// Error shows the step, the server's text and the hint.
func (r *Refusal) Error() string {
	s := r.Step + " refused"
	if r.Status != 0 {
		s += fmt.Sprintf(": HTTP %d", r.Status)
	}
	if r.Text != "" {
		s += ": " + r.Text
	}
	if r.Hint != "" {
		s += " (" + r.Hint + ")"
	}
	return s
}

// NeedsOperator reports whether asking again is of no use before someone has
// done what Hint says.
func (r *Refusal) NeedsOperator() bool { return r.kind == fixByOperator || r.kind == newToken }

const (
	hintKey       = "set source.realtime.key to the project's current service_role or secret key"
	hintTenant    = "the server tells projects apart by the first label of the host name: set source.realtime.url to the project's address, not to an IP address"
	hintPublished = "add the table to the publication: alter publication supabase_realtime add table %s; and check that it exists and has a primary key"
	hintRights    = "grant select on %s to service_role; and check that the key's role exists in the database"
)

// handshakeRefusal reads the answer to a refused handshake. Servers before
// v2.116 answer 403 without a body whatever the reason.
func handshakeRefusal(resp *http.Response) *Refusal {
	r := &Refusal{Step: "connect", Status: resp.StatusCode}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
	var e struct {
		Error   string `json:"error"`
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &e) == nil {
		r.Text = e.Error
		if r.Text == "" {
			r.Text = e.Message
		}
	}
	switch {
	case r.Status == http.StatusUnauthorized:
		r.kind, r.Hint = fixByOperator, hintKey
		if strings.Contains(r.Text, "expired") {
			r.Hint = "the key has expired: " + hintKey
		}
	case r.Status == http.StatusForbidden && r.Text == "":
		// Also what an old server says to a bad key.
		r.kind, r.Hint = fixByOperator, hintKey+"; the server gave no reason"
	case r.Status == http.StatusForbidden:
		r.kind, r.Hint = fixByOperator, "turn Realtime on for the project"
	case r.Status == http.StatusNotFound:
		r.kind, r.Hint = fixByOperator, hintTenant
	case r.Status == http.StatusTooManyRequests:
		r.kind, r.Hint = waitAndRetry, "the project's limit of connections or joins is reached: close other clients or raise it"
	case r.Status >= 500:
		r.kind = waitAndRetry
	default:
		// A redirect, a web page: whatever answers is not Realtime.
		r.kind, r.Hint = fixByOperator, "this is not a Realtime server: check source.realtime.url"
		if to := httpclient.Redirect(resp); to != nil {
			r.Text = to.Error()
		}
	}
	return r
}

// joinRefusal classifies the reason of a refused join. The reasons are
// `Code: text`; the code is not always there.
func joinRefusal(reason string) *Refusal {
	r := &Refusal{Step: "join", Text: reason}
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(reason, p) {
				return true
			}
		}
		return false
	}
	switch {
	case has("expired", "InvalidJWT"):
		r.kind, r.Hint = newToken, hintKey
	case has("MalformedJWT", "JwtSignature", "JwtSigner", "Unauthorized"):
		r.kind, r.Hint = fixByOperator, hintKey
	case has("RealtimeDisabledForTenant"):
		r.kind, r.Hint = fixByOperator, "turn Realtime on for the project"
	case has("PrivateOnly"):
		r.kind, r.Hint = fixByOperator, "allow public access to Realtime in the project's settings"
	case has("TopicNameRequired"):
		r.kind = fixByOperator
	case has("ClientJoinRateLimit"):
		r.kind, r.Hint = redial, "too many joins a second in this project"
	case has("TenantNotFound"):
		r.kind, r.Hint = redial, hintTenant
	case has("ConnectionRateLimit", "ChannelRateLimit"):
		r.kind, r.Hint = waitAndRetry, "the project's limit of connections or channels is reached"
	default:
		r.kind = waitAndRetry
	}
	return r
}

// subscribeRefusal classifies the error text of a system message of the
// extension postgres_changes. Texts that speak of the parameters are not
// tried again by the server (since v2.57.2); others it repeats every 5 to
// 10 s by itself.
func subscribeRefusal(text, table string) *Refusal {
	r := &Refusal{Step: "subscribe", Text: text}
	switch {
	case strings.Contains(text, "An exception happened"):
		r.kind, r.Hint = fixByOperator, fmt.Sprintf(hintRights, table)
	case strings.Contains(text, "given parameters"):
		r.kind, r.Hint = fixByOperator, fmt.Sprintf(hintPublished, table)
	case strings.Contains(text, "parsing"), strings.Contains(text, "No subscription params"),
		strings.Contains(text, "Column selection"):
		r.kind, r.Hint = fixByOperator, "the server does not understand the subscription: please report this"
	default:
		r.kind = waitAndRetry
	}
	return r
}

// isTokenText reports whether a system message says that the key is no longer
// good; phx_close follows.
func isTokenText(text string) bool {
	for _, p := range []string{"expired", "JWT", "signature", "token"} {
		if strings.Contains(text, p) {
			return true
		}
	}
	return false
}
