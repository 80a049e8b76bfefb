package configs

import (
	"fmt"
	"log/slog"
)

// Setting is one setting as it may be shown.
type Setting struct {
	Key    string `json:"key"`
	Value  string `json:"value"` // secrets masked
	Origin string `json:"origin"`
}

// Redacted returns every setting with its value, secrets masked, and its
// origin, in the order of bridge.yaml.
func (c *Config) Redacted() []Setting {
	out := make([]Setting, 0, len(c.fields))
	for _, f := range c.fields {
		out = append(out, Setting{Key: f.key, Value: f.show(), Origin: c.origins[f.key].String()})
	}
	return out
}

// LogValue gives the settings that are not the default, secrets masked.
func (c *Config) LogValue() slog.Value {
	var attrs []slog.Attr
	for _, f := range c.fields {
		if c.origins[f.key].Layer != FromDefault {
			attrs = append(attrs, slog.String(f.key, f.show()))
		}
	}
	return slog.GroupValue(attrs...)
}

// Origin returns where the value of the key came from, the zero Origin (a
// default) for a key that does not exist.
func (c *Config) Origin(key string) Origin { return c.origins[key] }

// value returns the value of the key as it may be shown.
func (c *Config) value(key string) string {
	for _, f := range c.fields {
		if f.key == key {
			return f.show()
		}
	}
	return ""
}

// minSecret is the length in bytes under which an HS256 secret can be found
// by trying (RFC 7518, section 3.2, asks for the hash's 256 bits).
const minSecret = 32

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
	for _, o := range c.CORS.Origins {
		if o == "*" {
			out = append(out, "cors.origins has *: pages of every site may connect with a token they have")
		}
	}
	if c.Auth.AllowQueryToken {
		out = append(out, "auth.allow_query_token is on: proxies write tokens of the query string into their logs")
	}
	return out
}
