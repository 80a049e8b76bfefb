package send

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"chatbridge/internal/httpclient"
	"chatbridge/internal/jsonscan"
)

// FunctionOptions configures a Function.
type FunctionOptions struct {
	// URL is the function's address, such as
	// https://abcdefgh.supabase.co/functions/v1/whatsapp-send.
	URL string
	// AnonKey returns the project's anon or publishable key as it is now; nil for none.
	AnonKey func() string
	// Body are the members of what is sent to it.
	Body []Field
	// ReadURL is the address of one that marks a conversation as read, given
	// {conversationId}; empty for none.
	ReadURL string
	// Proxy is the proxy to go through; empty for none, whatever the environment says.
	Proxy string
}

// Function is a Way: an Edge Function of the project, called as the CRM calls it, with
// the sender's own session, whose rights hold. The session goes to its address and
// nowhere else: redirects are not followed.
type Function struct {
	opts   FunctionOptions
	client *http.Client
}

var (
	_ Way    = (*Function)(nil)
	_ Reader = (*Function)(nil)
)

// maxAnswer bounds an answer, maxReason what of it is passed on to a user, in bytes.
const (
	maxAnswer = 64 << 10
	maxReason = 300
)

// FunctionURL is the address of a project's Edge Function.
func FunctionURL(project, name string) string {
	return strings.TrimRight(project, "/") + "/functions/v1/" + name
}

// NewFunction returns a Function. An error is one of the proxy's address.
func NewFunction(o FunctionOptions) (*Function, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	// A connection that is used again may be closed by the other side at that moment,
	// and then nobody knows whether the message went out.
	transport.DisableKeepAlives = true
	transport.MaxResponseHeaderBytes = maxAnswer
	if o.Proxy != "" {
		proxy, err := url.Parse(o.Proxy)
		if err != nil {
			return nil, errors.New("the proxy's address cannot be read")
		}
		transport.Proxy = http.ProxyURL(proxy)
	}
	return &Function{opts: o, client: httpclient.New(transport)}, nil
}

// Taken implements Way: the function tells by its answer.
func (f *Function) Taken(context.Context, *Message) bool { return false }

// NeedsSession implements Way and Reader.
func (f *Function) NeedsSession() bool { return true }

// Repeatable implements Way: a function may send what it is given twice twice.
func (f *Function) Repeatable() bool { return false }

// Send implements Way.
func (f *Function) Send(ctx context.Context, m *Message) Outcome {
	v := &values{Message: m}
	body := make(map[string]string)
	for _, field := range f.opts.Body {
		if value, ok := v.get(field); ok {
			body[field.Name] = value
		}
	}
	status, answer, err := f.call(ctx, f.opts.URL, m.Session, body)
	var unsent *unsentError
	switch {
	case errors.As(err, &unsent):
		return notBegun(CodeUnavailable, "messages cannot be sent now: the function that sends them cannot be reached; send this one again in a moment")
	case err != nil:
		return failed(CodeUnknown, errUnknown)
	}
	return outcomeOf(status, answer)
}

// answered is what the CRM's function answers.
type answered struct {
	OK         *bool  `json:"ok"`
	MessageID  string `json:"messageId"`
	ExternalID string `json:"externalId"`
	Message    string `json:"message"`
	Error      string `json:"error"`
	Msg        string `json:"msg"` // the function's gateway
}

// reason is what a user is told of an answer.
func (a *answered) reason(otherwise string) string {
	for _, text := range []string{a.Message, a.Error, a.Msg} {
		text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError }), " ")
		if len(text) > maxReason {
			text = strings.ToValidUTF8(text[:maxReason], "") + "…"
		}
		if text != "" {
			return text
		}
	}
	return otherwise
}

// outcomeOf judges an answer. What says ok was sent, and what says that it was not, or
// refuses the request, was not; of anything else nobody knows.
func outcomeOf(status int, text []byte) Outcome {
	var a answered
	read := json.Unmarshal(text, &a) == nil
	switch {
	case read && a.OK != nil && !*a.OK:
		return failed(CodeFailed, a.reason("the message was not sent"))
	case read && a.OK != nil && status >= 200 && status < 300:
		return Outcome{Status: Sent, RowID: bounded(a.MessageID), ExternalID: bounded(a.ExternalID)}
	case status == http.StatusUnauthorized:
		return notBegun(CodeExpired, "the session is not accepted any more; sign in to the CRM again, then send the message again")
	case status >= 300 && status < 500 && status != http.StatusRequestTimeout:
		return failed(CodeFailed, a.reason("the function that sends messages has refused it: "+http.StatusText(status)))
	}
	return failed(CodeUnknown, errUnknown)
}

// bounded is an id of an answer, "" for one that is none.
func bounded(id string) string {
	if len(id) > maxReason {
		return ""
	}
	return id
}

// MarkRead implements Reader.
func (f *Function) MarkRead(ctx context.Context, r *ReadRequest) error {
	status, text, err := f.call(ctx, f.opts.ReadURL, r.Session, map[string]string{"conversationId": r.Conversation})
	if err != nil {
		return err
	}
	var a answered
	if status < 200 || status > 299 || json.Unmarshal(text, &a) == nil && a.OK != nil && !*a.OK {
		return &Fault{CodeFailed, a.reason("the conversation could not be marked as read")}
	}
	return nil
}

// unsentError is an error before anything was sent.
type unsentError struct{ err error }

func (e *unsentError) Error() string { return e.err.Error() }
func (e *unsentError) Unwrap() error { return e.err }

// call posts a body. An error that is no *unsentError leaves open whether it was
// received.
func (f *Function) call(ctx context.Context, address string, session Session, body map[string]string) (status int, answer []byte, err error) {
	text, err := jsonscan.Marshal(body)
	if err != nil {
		return 0, nil, &unsentError{err}
	}
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(text))
	if err != nil {
		return 0, nil, &unsentError{err}
	}
	// Nothing is sent a second time.
	req.GetBody = nil
	req.Header.Set("Content-Type", "application/json")
	if f.opts.AnonKey != nil {
		req.Header.Set("Apikey", f.opts.AnonKey())
	}
	req.Header.Set("Authorization", "Bearer "+session.Token)
	res, err := f.client.Do(req)
	if err != nil {
		if !connected.Load() {
			return 0, nil, &unsentError{err}
		}
		return 0, nil, err
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil && res.StatusCode < 300 {
		return 0, nil, err
	}
	return res.StatusCode, answer, nil
}
