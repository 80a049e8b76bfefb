package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestUnknownWordsAreBounded: however many different ones come, and however long.
func TestUnknownWordsAreBounded(t *testing.T) {
	t.Parallel()
	var u unknownWords
	for n := range 100 {
		for range 2 {
			u.add([]byte(fmt.Sprintf("%03d%s", n, strings.Repeat("x", 1000))))
		}
	}
	words := u.words()
	if u.n.Load() != 200 || len(words) != maxUnknownWords || len(words[0]) != maxWord || !strings.HasPrefix(words[9], "009x") {
		t.Errorf("%d counted, shown %q", u.n.Load(), words)
	}
}

// TestUnknownWordsAreEscaped: nobody's terminal or page is told anything by one.
func TestUnknownWordsAreEscaped(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]string{
		"Entregue":                   "Entregue",
		"доставлено":                 "доставлено",
		"a\"b\\c":                    `a\"b\\c`,
		"\x1b[31mred\n":              `\x1b[31mred\n`,
		"\u202egpj":                  `\u202egpj`,
		"\xff\xfe":                   `\xff\xfe`,
		"":                           "",
		strings.Repeat("€", 14):      strings.Repeat("€", 13), // 39 bytes
		strings.Repeat("\xbf", 1000): strings.Repeat(`\xbf`, maxWord),
	} {
		if got := showWord([]byte(word)); got != want || !utf8.ValidString(got) {
			t.Errorf("%q is shown as %q, want %q", word, got, want)
		}
	}
	var u unknownWords
	u.add([]byte("\x00"))
	if got := u.words(); !slices.Equal(got, []string{`\x00`}) {
		t.Errorf("%q", got)
	}
}
