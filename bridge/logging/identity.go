package logging

import (
	"log/slog"
	"slices"
)

// subjects are the attributes that name the subject of a line that its caller logs only
// once for each: another bridge, a setting, an origin, a client's address, a fault, an
// exporter's signal.
var subjects = []string{"other", "setting", "origin", "address", "fault", "signal"}

// identity returns the same id for lines that are repetitions of each other: those with
// the same level, message, subjects and attributes of Logger.With, and, but for numbers,
// the same attributes that describe the fault, such as error and code. toldOnce reports
// whether the line has a subject: its caller does not repeat it while the condition lasts,
// so silence does not mean recovery.
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
