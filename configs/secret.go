package configs

import (
	"log/slog"
	"net/url"
	"regexp"
	"strings"
)

// Mask is what stands for a secret wherever one would be printed.
const Mask = "********"

// Secret is a text that is never printed: String, GoString, logging and JSON
// give Mask, or nothing where it is empty. (fmt cannot call methods on
// unexported fields, so a struct that is to be printed must not hide one.)
type Secret string

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String returns Mask, or "" where there is no secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return Mask
}

// GoString masks %#v.
func (s Secret) GoString() string { return `"` + s.String() + `"` }

// LogValue masks the secret in logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText masks the secret in JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// DSN is a Postgres connection string, URL or key=value, whose password is
// never printed. The rest is.
type DSN string

// Reveal returns the connection string with its password.
func (d DSN) Reveal() string { return string(d) }

// String returns the connection string with the password masked; all of it
// is masked where the password cannot be found for sure.
func (d DSN) String() string {
	switch {
	case d == "":
		return ""
	case isPostgresURL(string(d)):
		u, err := url.Parse(string(d))
		if err != nil || strings.Contains(u.Path+u.RawQuery+u.Fragment, "@") {
			// A password with an unescaped / ? or # ends up in there.
			return Mask
		}
		return maskURL(u)
	}
	return keywordPassword.ReplaceAllString(string(d), "${1}="+Mask)
}

// GoString masks %#v.
func (d DSN) GoString() string { return `"` + d.String() + `"` }

// LogValue masks the password in logs.
func (d DSN) LogValue() slog.Value { return slog.StringValue(d.String()) }

// MarshalText masks the password in JSON and YAML.
func (d DSN) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

func isPostgresURL(s string) bool {
	return strings.HasPrefix(s, "postgres://") || strings.HasPrefix(s, "postgresql://")
}

var keywordPassword = regexp.MustCompile(`(?i)\b((?:ssl)?password)\s*=\s*('(?:[^'\\]|\\.)*'?|\S+)`)

// maskURL prints u with the password of its userinfo and of its query masked.
// (url.URL.Redacted knows the first only, and escapes the mask's asterisks.)
func maskURL(u *url.URL) string {
	c := *u
	user := ""
	if c.User != nil {
		user = url.User(c.User.Username()).String()
		if _, has := c.User.Password(); has {
			user += ":" + Mask
		}
		user += "@"
		c.User = nil
	}
	if c.RawQuery != "" {
		q := c.Query()
		for name := range q {
			if strings.Contains(strings.ToLower(name), "password") {
				q.Set(name, Mask)
			}
		}
		c.RawQuery = strings.ReplaceAll(q.Encode(), url.QueryEscape(Mask), Mask)
	}
	return strings.Replace(c.String(), "://", "://"+user, 1)
}
