package configs

import (
	"fmt"
	"log/slog"
	"reflect"
	"slices"
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

// OtherThanDefault returns the keys of the settings whose values are not the defaults,
// in the order of bridge.yaml: a copy of that file has none.
func (c *Config) OtherThanDefault() []string {
	defaults := newLoader()
	defaults.assign()
	defaults.derive(nil, "")
	return Changed(defaults.config, c)
}

// LogValue gives the settings that are not the default, secrets masked.
func (c *Config) LogValue() slog.Value {
	var attrs []slog.Attr
	other := c.OtherThanDefault()
	for _, f := range c.fields {
		if slices.Contains(other, f.key) {
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

// Changed returns the keys of the settings that differ between two Configs,
// secrets compared as they are, in the order of bridge.yaml.
func Changed(before, after *Config) []string {
	var keys []string
	for i, f := range before.fields {
		if !reflect.DeepEqual(f.value(), after.fields[i].value()) {
			keys = append(keys, f.key)
		}
	}
	return keys
}

// Layer is one of the places that a value may come from, weakest first.
type Layer int

// The layers.
const (
	// FromDefault is the value that bridge.yaml documents.
	FromDefault Layer = iota
	// FromDerived is a value that follows from another key's.
	FromDerived
	// FromFile is the configuration file.
	FromFile
	// FromCredential is a file of systemd's $CREDENTIALS_DIRECTORY.
	FromCredential
	// FromEnvironment is an environment variable.
	FromEnvironment
	// FromFlag is a flag on the command line.
	FromFlag
)

// Origin is where a value came from.
type Origin struct {
	Layer Layer
	// Name is the file, the credential's file, the variable, the flag or the
	// key that the value was derived from; empty for a default.
	Name string
	// Line is the line in the configuration file, else 0.
	Line int
	// SecretFile is the file that a `<key>_file` setting at this origin named,
	// where the value itself was read from there.
	SecretFile string
}

// String describes the origin for a reader, such as `bridge.yaml:12`,
// `environment DATABASE_URL` or `flag --listen`.
func (o Origin) String() string {
	s := ""
	switch o.Layer {
	case FromDefault:
		s = "default"
	case FromDerived:
		s = "derived from " + o.Name
	case FromFile:
		s = o.Name
		if o.Line > 0 {
			s = fmt.Sprintf("%s:%d", o.Name, o.Line)
		}
	case FromCredential:
		s = "credential " + o.Name
	case FromEnvironment:
		s = "environment " + o.Name
	case FromFlag:
		s = "flag --" + o.Name
	}
	if o.SecretFile != "" {
		s = "file " + o.SecretFile + ", named by " + s
	}
	return s
}
