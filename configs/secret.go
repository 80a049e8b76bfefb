package configs

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
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

// Reveal returns the connection string with its password, without the parameters of
// other libraries.
func (d DSN) Reveal() string {
	address, _ := d.forDriver()
	return address
}

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

// Password returns the role's password; empty where there is none.
func (d DSN) Password() string {
	c, err := pgconn.ParseConfig(d.Reveal())
	if err != nil {
		return ""
	}
	return c.Password
}

// SameButPassword reports whether two connection strings differ in the password at most;
// false where that cannot be found for sure.
func (d DSN) SameButPassword(other DSN) bool {
	return d == other || d.String() == other.String() && d.String() != Mask
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

// fileSuffix makes the key of a secret that of the file with the secret.
const fileSuffix = "_file"

// maxSecretFile bounds what is read from a secret's file, in bytes.
const maxSecretFile = 64 << 10

// readSecretFiles replaces each `<key>_file` of the layer by what the file
// contains. A key given both ways in one layer is an error.
func readSecretFiles(l layer, fields []*field) []Problem {
	var problems []Problem
	for _, f := range fields {
		named, ok := l[f.key+fileSuffix]
		if !f.secret || !ok {
			continue
		}
		delete(l, f.key+fileSuffix)
		if named.isEmpty() {
			continue
		}
		if plain, both := l[f.key]; both && !plain.isEmpty() {
			problems = append(problems, Problem{
				Key: f.key, Origin: plain.origin.String(),
				Reason: fmt.Sprintf("is also given by %s%s (%s): leave one of them out", f.key, fileSuffix, named.origin),
			})
			continue
		}
		path := named.text()
		value, err := readSecret(path, f)
		if err != nil {
			problems = append(problems, Problem{
				Key: f.key + fileSuffix, Value: path, Origin: named.origin.String(),
				Reason: bareError(err), Accepted: "a file with the secret in it that the bridge may read",
			})
			continue
		}
		named.origin.SecretFile = path
		l[f.key] = entry{value: value, origin: named.origin}
	}
	return problems
}

// readSecret reads one secret, or one a line where the setting takes several.
func readSecret(path string, f *field) (any, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxSecretFile {
		return nil, fmt.Errorf("is larger than %s", Size(maxSecretFile))
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var lines []string
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	switch {
	case len(lines) == 0:
		return nil, errors.New("is empty")
	case f.name != "secrets":
		return strings.TrimSpace(string(b)), nil
	}
	return lines, nil
}

// readCredentials reads systemd's credentials: files named as the keys of the
// secrets in dir. Other files there are left alone.
func readCredentials(dir string, fields []*field) (layer, []Problem) {
	if dir == "" {
		return nil, nil
	}
	out := layer{}
	var problems []Problem
	for _, f := range fields {
		if !f.secret {
			continue
		}
		origin := Origin{Layer: FromCredential, Name: f.key}
		value, err := readSecret(filepath.Join(dir, f.key), f)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			problems = append(problems, Problem{Key: f.key, Origin: origin.String(), Reason: bareError(err), Accepted: "a credential with the secret in it"})
			continue
		}
		out[f.key] = entry{value: value, origin: origin}
	}
	return out, problems
}
