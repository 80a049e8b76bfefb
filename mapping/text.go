package mapping

import (
	"encoding/binary"
	"unicode/utf8"
)

// appendString appends s as a JSON string the way JSON.stringify writes it:
// quotes, backslashes and control characters are escaped, everything else is
// itself (no HTML escaping). Bytes that are not UTF-8, which only a database
// in encoding SQL_ASCII can hold, become U+FFFD: a text frame must be UTF-8.
func appendString(dst, s []byte) []byte {
	dst = append(dst, '"')
	i := clean(s)
	if i == len(s) {
		dst = append(dst, s...)
		return append(dst, '"')
	}
	if !utf8.Valid(s[i:]) {
		return append(appendInvalid(dst, s), '"')
	}
	return append(appendEscaped(dst, s), '"')
}

// clean returns the length of the longest prefix, in steps of eight, that is
// ASCII and needs no escape; len(s) when all of s is so. Most strings are: ids,
// addresses, words.
func clean(s []byte) int {
	const highs = 0x8080808080808080
	i := 0
	for ; i+8 <= len(s); i += 8 {
		if x := binary.LittleEndian.Uint64(s[i:]); x&highs != 0 || !plain8(x) {
			return i
		}
	}
	for j := i; j < len(s); j++ {
		if c := s[j]; c < 0x20 || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			return i
		}
	}
	return len(s)
}

func appendEscaped(dst, s []byte) []byte {
	start := 0
	for i := 0; i < len(s); {
		// Eight bytes at a time while nothing in them needs an escape: measured
		// 4 times the speed of a loop over bytes on a 500-byte body.
		for i+8 <= len(s) && plain8(binary.LittleEndian.Uint64(s[i:])) {
			i += 8
		}
		if i == len(s) {
			break
		}
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		dst = appendEscape(dst, c)
		i++
		start = i
	}
	return append(dst, s[start:]...)
}

// plain8 tells that none of eight bytes is a control character, a quote or a
// backslash. It may say false where one follows such a byte.
func plain8(x uint64) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	control := (x - ones*0x20) & ^x
	q := x ^ ones*'"'
	quote := (q - ones) & ^q
	b := x ^ ones*'\\'
	back := (b - ones) & ^b
	return (control|quote|back)&highs == 0
}

func appendEscape(dst []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	}
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xF])
}

func appendInvalid(dst, s []byte) []byte {
	for len(s) > 0 {
		r, n := utf8.DecodeRune(s)
		if r == utf8.RuneError && n <= 1 {
			dst = append(dst, "\uFFFD"...)
		} else {
			dst = appendEscaped(dst, s[:n])
		}
		s = s[n:]
	}
	return dst
}
