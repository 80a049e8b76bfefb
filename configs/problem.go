package configs

import "strings"

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
