package configs

import "fmt"

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
