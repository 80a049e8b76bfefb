package jsonscan

import (
	"encoding/binary"
	"unicode/utf8"
)

// StringLen returns the length of s as a JSON string, or something above most
// when it is more.
func StringLen(s []byte, most int) int {
	if len(s) > most {
		return len(s)
	}
	n, valid := 2, utf8.Valid(s)
	for i := 0; i < len(s) && n <= most; {
		if i+8 <= len(s) && valid && plain8(binary.LittleEndian.Uint64(s[i:])) {
			i, n = i+8, n+8
			continue
		}
		size, in := encodedRune(s[i:], valid)
		i, n = i+in, n+size
	}
	return n
}

// encodedRune returns how much the first rune takes in JSON, and in s.
func encodedRune(s []byte, valid bool) (encoded, size int) {
	switch c := s[0]; {
	case c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\t' || c == '\b' || c == '\f':
		return 2, 1
	case c < 0x20:
		return 6, 1
	case c < utf8.RuneSelf || valid:
		return 1, 1
	}
	r, n := utf8.DecodeRune(s)
	if r == utf8.RuneError && n <= 1 {
		return len("\uFFFD"), 1
	}
	return n, n
}

// CutAt returns how much of s, up to the end of a rune, takes at most room
// bytes in JSON.
func CutAt(s []byte, room int) int {
	n := 0
	for i := 0; i < len(s); {
		encoded, size := encodedRune(s[i:], false)
		if n += encoded; n > room {
			return i
		}
		i += size
	}
	return len(s)
}
