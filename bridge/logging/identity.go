package logging

import (
	"log/slog"
	"slices"
)

// subjects are the attributes that name what a line is about, where its caller tells of each
// once: another bridge, a setting, an origin, a client's address, a fault, an exporter's signal.
var subjects = []string{"other", "setting", "origin", "address", "fault", "signal"}

// identity is equal for lines that are repetitions of each other: those of the
// same level and message, about the same subjects, and with the same attributes of the kind that
// describes the fault rather than who it happened to. toldOnce reports whether the line
// has subjects: their caller does not repeat it while the condition lasts, so silence is
// no recovery.
func identity(prefix string, r slog.Record) (id string, toldOnce bool) {
	key := make([]byte, 0, 128)
	key = append(key, r.Level.String()...)
	key = append(append(key, 0), r.Message...)
	key = append(append(key, 0), prefix...)
	r.Attrs(func(a slog.Attr) bool {
		if slices.Contains(subjects, a.Key) {
			key = append(append(append(append(key, 0), a.Key...), '='), a.Value.String()...)
			toldOnce = true
		}
		if slices.Contains([]string{"error", "code", "reason", "state", "kind", "table", "op", eventKey}, a.Key) {
			key = append(append(append(append(key, 0), a.Key...), '='), withoutNumbers(a.Value.String())...)
		}
		return true
	})
	return string(key), toldOnce
}

// withoutNumbers replaces each run of digits by one 0: errors contain ports,
// times and positions that differ each time.
func withoutNumbers(s string) string {
	out := make([]byte, 0, len(s))
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			out = append(out, c)
		} else if len(out) == 0 || out[len(out)-1] != '0' {
			out = append(out, '0')
		}
	}
	return string(out)
}
