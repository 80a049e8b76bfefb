package engine

import (
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"unicode/utf8"
)

const (
	// maxWord bounds what is shown of an unknown word, in bytes.
	maxWord = 40
	// maxUnknownWords bounds the words of a member that are shown.
	maxUnknownWords = 10
)

// unknownWords are the values of one member that are in no list of words. It may be
// read while words are added.
type unknownWords struct {
	n    atomic.Uint64
	mu   sync.Mutex
	seen []string // different ones, the first that came; escaped
}

// add counts a word and returns what may be shown of it.
func (u *unknownWords) add(word []byte) (shown string) {
	shown = showWord(word)
	u.n.Add(1)
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.seen) < maxUnknownWords && !slices.Contains(u.seen, shown) {
		u.seen = append(u.seen, shown)
	}
	return shown
}

func (u *unknownWords) words() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.seen)
}

// showWord is the beginning of a word, with escapes for what is no printable character.
func showWord(word []byte) string {
	if len(word) > maxWord {
		word = word[:maxWord]
		for n := len(word) - 1; n >= maxWord-utf8.UTFMax; n-- {
			if utf8.RuneStart(word[n]) {
				if !utf8.FullRune(word[n:]) {
					word = word[:n]
				}
				break
			}
		}
	}
	quoted := strconv.Quote(string(word))
	return quoted[1 : len(quoted)-1]
}
