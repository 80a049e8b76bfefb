package configs

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// Problem is one thing that is wrong with the configuration.
type Problem struct {
	// Key is the setting; empty where the problem is with a source as a whole.
	Key string `json:"key,omitempty"`
	// Value is what was given, secrets masked; empty where nothing was given
	// or where showing it could show a secret.
	Value string `json:"value,omitempty"`
	// Origin says where the value came from; empty where nothing was given.
	Origin string `json:"origin,omitempty"`
	// Reason is what is wrong with it.
	Reason string `json:"reason"`
	// Accepted is what would be right.
	Accepted string `json:"accepted,omitempty"`
}

// String is the problem on one line.
func (p Problem) String() string {
	var b strings.Builder
	if p.Key != "" {
		b.WriteString(p.Key)
		if p.Value != "" {
			b.WriteString(" = " + quote(p.Value))
		}
		if p.Origin != "" {
			b.WriteString(" (" + p.Origin + ")")
		}
		b.WriteString(": ")
	} else if p.Origin != "" {
		b.WriteString(p.Origin + ": ")
	}
	b.WriteString(p.Reason)
	if p.Accepted != "" {
		b.WriteString("; accepted: " + p.Accepted)
	}
	return b.String()
}

// quote shows a value in quotes, shortened, control characters escaped.
func quote(s string) string {
	const most = 80
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return `"` + strings.NewReplacer("\n", `\n`, "\r", `\r`, "\t", `\t`, "\x1b", `\e`, "\x00", `\0`).Replace(s) + `"`
}

// Error is everything that is wrong with the configuration.
type Error struct {
	Problems []Problem
}

// Error gives one problem a line.
func (e *Error) Error() string {
	if len(e.Problems) == 1 {
		return "configuration: " + e.Problems[0].String()
	}
	var b strings.Builder
	b.WriteString("configuration:")
	for _, p := range e.Problems {
		b.WriteString("\n  " + p.String())
	}
	return b.String()
}

func asError(problems []Problem) error {
	if len(problems) == 0 {
		return nil
	}
	return &Error{Problems: problems}
}

// Validate reports, as an *Error, what `bridge serve` needs and does not
// have, and settings that contradict each other. Load has checked every value
// on its own before.
func (c *Config) Validate() error { return asError(c.problems(nil)) }

// problems leaves out keys that already failed: their value is not known.
func (c *Config) problems(failed map[string]bool) []Problem {
	v := &validation{config: c, failed: failed}
	v.source()
	v.auth()
	v.listeners()
	v.files()
	v.timing()
	v.rest()
	v.send()
	return v.out
}

type validation struct {
	config *Config
	failed map[string]bool
	out    []Problem
}

// need demands a value.
func (v *validation) need(present bool, key, reason, remedy string) {
	if !present && !v.failed[key] {
		v.out = append(v.out, v.config.unset(key, reason, remedy))
	}
}

// refuse objects to a value that is there.
func (v *validation) refuse(wrong bool, key, reason, accepted string) {
	if wrong && !v.failed[key] {
		v.out = append(v.out, Problem{Key: key, Value: v.config.value(key), Origin: v.config.Origin(key).String(), Reason: reason, Accepted: accepted})
	}
}

func (v *validation) source() {
	s := v.config.Source
	switch s.Kind {
	case KindPostgres:
		v.need(s.Postgres.URL != "", "source.postgres.url", "is not set, and source.kind is postgres",
			"the database's direct address, also as DATABASE_URL or SUPABASE_DB_URL in the environment; `bridge demo` runs without one")
	case KindRealtime:
		v.need(s.Realtime.URL != "", "source.realtime.url", "is not set, and source.kind is realtime",
			"the project's address, also as SUPABASE_URL in the environment")
		v.need(s.Realtime.Key != "", "source.realtime.key", "is not set, and source.kind is realtime",
			"the project's service key, also as SUPABASE_SERVICE_ROLE_KEY in the environment")
		unfit := unfitServiceKey(s.Realtime.Key.Reveal())
		v.refuse(unfit != "", "source.realtime.key", unfit, acceptedServiceKey)
	}
}

func (v *validation) auth() {
	a, s := v.config.Auth, v.config.Source
	v.need(len(a.ChatEngineSecrets) > 0 || len(a.SupabaseSecrets) > 0 || a.JWKSURL != "" || v.failed["auth.supabase_secret"] || v.failed["auth.jwks_url"] || v.failed["source.realtime.url"],
		"auth.chatengine_secret", "is not set, nor is auth.supabase_secret or auth.jwks_url: every client would be refused",
		"ChatEngine's JWT secret (also as CHATENGINE_JWT_SECRET), or the Supabase project's (SUPABASE_JWT_SECRET) or its address (SUPABASE_URL)")
	if len(a.SupabaseSecrets) == 0 && a.JWKSURL == "" {
		return
	}
	sql := s.Postgres.URL != "" || v.config.Lookup.URL != "" || v.failed["source.postgres.url"] || v.failed["lookup.url"]
	rest := s.Realtime.URL != "" && s.Realtime.Key != "" || v.failed["source.realtime.key"]
	v.need(sql || rest, "auth.members.table", "cannot be asked, so nobody with a Supabase session could be let in: there is neither a database address nor a service key",
		"source.postgres.url, or lookup.url, or source.realtime.url with source.realtime.key")
}

// rest: it reads tables by time, which PostgREST has no questions for.
func (v *validation) rest() {
	c := v.config
	sql := c.Source.Postgres.URL != "" || c.Lookup.URL != "" || v.failed["source.postgres.url"] || v.failed["lookup.url"]
	v.refuse(c.REST.Enabled && !sql, "rest.enabled", "is on, and there is no database to answer from: PostgREST will not do for it", "lookup.url (a pooler's address will do) or source.postgres.url beside it, or false")
}

func (v *validation) listeners() {
	c := v.config
	v.need(c.TLS.CertFile == "" || c.TLS.KeyFile != "", "tls.key_file", "is not set, and tls.cert_file is", "the file of the certificate's key")
	v.need(c.TLS.KeyFile == "" || c.TLS.CertFile != "", "tls.cert_file", "is not set, and tls.key_file is", "the file of the certificate")
	v.refuse(c.Admin.Listen != "" && c.Admin.Listen == c.Listen && !strings.HasSuffix(c.Listen, ":0"), "admin.listen", "is the same as listen", "another address, or nothing to turn it off")
}

func (v *validation) send() {
	s := v.config.Send
	v.assignments("send.function.body", s.Function.Body, "content")
	v.assignments("send.outbox.message", s.Outbox.Message, "id", "content")
	v.assignments("send.outbox.columns", s.Outbox.Columns, "client_id", "workspace", "content")
	v.refuse(s.Function.Read != "" && s.Mode != SendFunction && !v.failed["send.mode"], "send.function.read", "is set, and send.mode is not function", "send.mode: function beside it")
	v.refuse(s.Outbox.Read != "" && s.Outbox.URL == "", "send.outbox.read", "is set, and send.outbox.url is not", "send.outbox.url beside it")
	v.refuse(s.Outbox.Read != "" && s.Outbox.URL != "" && s.Function.Read != "", "send.outbox.read", "is set, and send.function.read too", "one of them")
	if s.Mode == SendRefuse || v.failed["send.mode"] {
		return
	}
	const file = "is not set, and there is no state directory for it: neither STATE_DIRECTORY, which systemd sets for the service, nor StateDirectory= of an installed " +
		serviceUnit + ": without it a message could be sent twice after a restart"
	v.need(s.StateFile != "", "send.state_file", file, "a file that the bridge may write to, which outlives a restart; "+
		"where a bridge that runs has a state directory, check it with the same one, such as STATE_DIRECTORY=/var/lib/chatbridge bridge check")
	a := v.config.Auth
	switch s.Mode {
	case SendFunction:
		v.need(s.Function.URL != "", "send.function.url", "is not set, and send.mode is function", "the project's address, also as SUPABASE_URL in the environment")
		v.need(s.AnonKey != "", "send.anon_key", "is not set, and send.mode is function", "the project's anon key, also as SUPABASE_ANON_KEY in the environment")
		v.refuse(isServiceKey(s.AnonKey.Reveal()), "send.anon_key", "is a service key", "the project's anon or sb_publishable_ key: the user's own session gives the rights")
		v.need(len(a.SupabaseSecrets) > 0 || a.JWKSURL != "" || v.failed["auth.supabase_secret"] || v.failed["auth.jwks_url"], "auth.supabase_secret",
			"is not set, nor is auth.jwks_url, and send.mode is function: it sends with clients' Supabase sessions, and none would be let in",
			"the project's JWT secret (SUPABASE_JWT_SECRET), or its address (SUPABASE_URL)")
	case SendOutbox:
		v.need(s.Outbox.URL != "", "send.outbox.url", "is not set, and send.mode is outbox", "the address of a database with a role that may write messages and the outbox")
	}
}

// assignments objects to a name that is there twice, and to a list that lacks one of the
// values.
func (v *validation) assignments(key string, list []string, values ...string) {
	names, have := make(map[string]bool), make(map[string]bool)
	for _, text := range list {
		name, value, _ := strings.Cut(text, "=")
		name = strings.TrimSpace(name)
		v.refuse(names[name], key, "has "+name+" twice", "each name once")
		names[name], have[strings.TrimSpace(value)] = true, true
	}
	for _, value := range values {
		v.refuse(!have[value], key, "has no "+value, "a list with one name="+value)
	}
}

// files: each is written as a whole, by its own part of the bridge.
func (v *validation) files() {
	c := v.config
	files := []struct{ key, path string }{{"replay.state_file", c.Replay.StateFile}, {"ledger.file", c.Ledger.File}, {"send.state_file", c.Send.StateFile}}
	for i, f := range files {
		if f.path == "" {
			continue
		}
		for _, other := range files[:i] {
			v.refuse(other.path != "" && absolute(f.path) == absolute(other.path), f.key, "is the same as "+other.key, "another path, or none")
		}
		// The directory of the spool is its own.
		v.refuse(c.Spool.Dir != "" && filepath.Dir(absolute(f.path)) == absolute(c.Spool.Dir), f.key, "is a file of spool.dir", "a path outside spool.dir")
	}
}

// absolute is a path as the process will open it.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return filepath.Clean(path)
}

func (v *validation) timing() {
	c := v.config
	const milliseconds = "whole milliseconds, the unit of the Engine.IO handshake"
	v.refuse(c.Ping.Interval%time.Millisecond != 0, "ping.interval", "has a fraction of a millisecond", milliseconds)
	v.refuse(c.Ping.Timeout%time.Millisecond != 0, "ping.timeout", "has a fraction of a millisecond", milliseconds)
	v.refuse(c.Limits.PacketsPerSecond > 0 && c.Limits.PacketsPerSecond < c.Limits.Subscriptions, "limits.packets_per_second",
		fmt.Sprintf("is less than limits.subscriptions (%d): a client that returns and subscribes to all of them at once would be cut off, again and again", c.Limits.Subscriptions), "at least limits.subscriptions")
	v.refuse(c.Gateway.HealthPath != "" && c.Gateway.Upstream == "", "gateway.health_path", "is for the gateway, and gateway.upstream is not set", "nothing, or set gateway.upstream beside it")
	v.refuse(c.Gateway.Hold != HoldAuto && c.Gateway.Upstream == "", "gateway.hold", "is for the gateway, and gateway.upstream is not set", "auto, or set gateway.upstream beside it")
	v.refuse(c.Spool.Dir != "" && c.Gateway.Upstream == "", "spool.dir", "is for the gateway's webhooks, and gateway.upstream is not set", "nothing, or set gateway.upstream beside it")
	v.refuse(c.Spool.MaxBody > c.Spool.MaxBytes, "spool.max_body", fmt.Sprintf("is more than spool.max_bytes (%s)", c.Spool.MaxBytes), "at most spool.max_bytes")
	v.refuse(c.Spool.Dir != "" && len(c.Spool.Paths) == 0, "spool.paths", "is empty: no webhook would be kept", "the paths of webhooks, such as /api/webhooks/whatsapp; or no spool.dir")
	for _, path := range c.Spool.Paths {
		v.refuse(path == c.Path || strings.HasPrefix(path, c.Path+"/"), "spool.paths", "has a path of the Socket.IO server", "the paths of webhooks alone")
	}
	v.refuse(c.Limits.QueueBytes < c.Limits.Payload, "limits.queue_bytes", fmt.Sprintf("is less than one packet of limits.payload (%s)", c.Limits.Payload), "at least limits.payload")
}

// minSecret is the length in bytes under which an HS256 secret can be found
// by trying (RFC 7518, section 3.2, asks for the hash's 256 bits).
const minSecret = 32

// minAdminToken is the same for the token of the operator, which cannot be tried
// without asking the listener.
const minAdminToken = 16

// Warnings returns what is allowed and unwise, one sentence each.
func (c *Config) Warnings() []string {
	out := append([]string(nil), c.warnings...)
	for _, group := range []struct {
		key     string
		secrets []Secret
	}{{"auth.chatengine_secret", c.Auth.ChatEngineSecrets}, {"auth.supabase_secret", c.Auth.SupabaseSecrets}} {
		for i, s := range group.secrets {
			if len(s) < minSecret {
				out = append(out, fmt.Sprintf("%s (%s): secret %d has %d bytes; HS256 asks for %d, and a shorter one can be found by trying", group.key, c.Origin(group.key), i+1, len(s), minSecret))
			}
		}
	}
	for key, d := range map[string]DSN{"source.postgres.url": c.Source.Postgres.URL, "lookup.url": c.Lookup.URL, "send.outbox.url": c.Send.Outbox.URL} {
		if _, dropped := d.forDriver(); len(dropped) > 0 {
			out = append(out, fmt.Sprintf("%s (%s): left out what is for other libraries, and nothing of what it asks for is done: %s", key, c.Origin(key), strings.Join(dropped, ", ")))
		}
	}
	if role := roleOf(c.Source.Realtime.Key.Reveal()); c.Source.Kind == KindRealtime && role != "" && role != "service_role" {
		out = append(out, fmt.Sprintf("source.realtime.key (%s) is a key of the role %s: unless that role has BYPASSRLS, or policies that show it every row, events are missing without an error", c.Origin("source.realtime.key"), quote(role)))
	}
	if key := c.Source.Realtime.Key.Reveal(); c.Source.Kind == KindRealtime && key != "" && strings.Count(key, ".") != 2 && !strings.HasPrefix(key, "sb_") {
		out = append(out, fmt.Sprintf("source.realtime.key (%s) has not the form of a project's key, which is a JWT (eyJ…, with two dots) or begins with sb_secret_", c.Origin("source.realtime.key")))
	}
	if rt := c.Source.Realtime; c.Source.Kind == KindRealtime {
		if other := otherProject(rt.Key.Reveal(), rt.URL); other != "" {
			out = append(out, fmt.Sprintf("source.realtime.key (%s) is a key of the project %s, and source.realtime.url is another's: %s", c.Origin("source.realtime.key"), quote(other), rt.URL))
		}
	}
	for _, o := range c.CORS.Origins {
		if o == "*" {
			out = append(out, "cors.origins has *: pages of every site may connect with a token they have")
		}
	}
	if n := len(c.Admin.Token); n > 0 && n < minAdminToken {
		out = append(out, fmt.Sprintf("admin.token (%s) has %d bytes; one of fewer than %d can be found by trying", c.Origin("admin.token"), n, minAdminToken))
	}
	if c.Admin.Listen != "" && c.Admin.Token == "" && !isLoopback(c.Admin.Listen) {
		out = append(out, fmt.Sprintf("admin.listen is %s, not a loopback address, and admin.token is not set: whoever reaches it can read status, metrics and the operator's page; set admin.token, or admin.listen to 127.0.0.1", c.Admin.Listen))
	}
	if c.Gateway.Upstream != "" && c.Admin.Listen != "" && c.Admin.Token == "" && !isLoopback(c.Admin.Listen) {
		out = append(out, fmt.Sprintf("admin.listen is %s, not a loopback address, and admin.token is not set: `bridge gateway` cannot change the mode", c.Admin.Listen))
	}
	if c.Send.Mode == SendFunction && strings.HasPrefix(c.Send.Function.URL, "http://") && !isLoopback(strings.TrimPrefix(c.Send.Function.URL, "http://")) {
		out = append(out, fmt.Sprintf("send.function.url (%s) is http: the users' sessions go there unencrypted", c.Origin("send.function.url")))
	}
	if c.Auth.AllowQueryToken {
		out = append(out, "auth.allow_query_token is on: proxies write tokens of the query string into their logs")
	}
	return out
}
