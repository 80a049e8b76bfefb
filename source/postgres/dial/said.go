package dial

import (
	"slices"
	"strings"
)

// Said is the text of an error of connecting in one line, with what several attempts have in
// common once: sslmode=prefer makes two of each address, with TLS and without.
func Said(err error) string {
	first, rest, several := strings.Cut(err.Error(), "\n")
	if !several {
		return first
	}
	var attempts []string
	for line := range strings.Lines(rest) {
		if line = strings.TrimSpace(line); line != "" && !slices.Contains(attempts, line) {
			attempts = append(attempts, line)
		}
	}
	return strings.TrimSpace(first) + " " + strings.Join(attempts, "; ")
}
