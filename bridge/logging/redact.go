package logging

import (
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
)

// mask replaces what is not shown.
const mask = "[redacted]"

// masked reports whether the value of an attribute with this name is never shown, because
// it would be a secret or message content.
func masked(key string) bool {
	return slices.Contains([]string{
		"token", "access_token", "refresh_token", "jwt", "authorization", "cookie", "password", "secret", "apikey", "service_key",
		"content", "body", "payload", "text",
	}, strings.ToLower(key))
}

// secrets matches what looks like a secret, anywhere in a text: a JWT; Supabase's secret
// keys; the password in a URL; key=value in a query string or a DSN; a bearer token.
var secrets = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?` +
	`|sb_secret_[A-Za-z0-9_-]+` +
	`|(://[^\s/:@]*:)[^\s@]+(@)` +
	`|((?i)\b(?:token|access_token|apikey|password|secret|authorization)=)("[^"]*"|'[^']*'|[^\s&"']+)` +
	`|((?i)\bbearer )[A-Za-z0-9._~+/=-]+`)

// template reports whether what looks like a secret is a placeholder in a remedy's text.
func template(found string) bool {
	return found == "://:PASSWORD@" || found == "://USER:PASSWORD@" || found == "://[user:password@"
}

// Scrub returns s with everything that looks like a secret replaced by
// [redacted].
func Scrub(s string) string {
	if !strings.ContainsAny(s, ".=:_") && !strings.Contains(s, " ") {
		return s
	}
	return secrets.ReplaceAllStringFunc(s, func(found string) string {
		if template(found) {
			return found
		}
		return secrets.ReplaceAllString(found, "${1}${3}${5}"+mask+"${2}")
	})
}

// redact is the ReplaceAttr of all handlers. Besides masking, it gives some types a
// readable form.
func redact(_ []string, a slog.Attr) slog.Attr {
	if masked(a.Key) {
		return slog.String(a.Key, mask)
	}
	switch a.Value.Kind() {
	case slog.KindString:
		if s := a.Value.String(); s != "" {
			a.Value = slog.StringValue(Scrub(s))
		}
	case slog.KindTime:
		if a.Value.Time().IsZero() { // an unknown time is left out, not shown as the year 1
			return slog.Attr{}
		}
	case slog.KindDuration:
		// JSON would show it in nanoseconds.
		a.Value = slog.StringValue(a.Value.Duration().String())
	case slog.KindAny:
		switch v := a.Value.Any().(type) {
		case error:
			a.Value = slog.StringValue(Scrub(v.Error()))
		case slog.Level: // a Stringer too, but the handler formats it
		case fmt.Stringer:
			a.Value = slog.StringValue(Scrub(v.String()))
		case []string:
			clean := make([]string, len(v))
			for i, s := range v {
				clean[i] = Scrub(s)
			}
			a.Value = slog.AnyValue(clean)
		case []byte:
			a.Value = slog.StringValue(fmt.Sprintf("%d bytes", len(v)))
		}
	}
	return a
}
