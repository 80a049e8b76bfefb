package jsonscan

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Unquote appends the text of a JSON string. A lone surrogate becomes U+FFFD,
// for there is no UTF-8 for it.
func Unquote(dst, quoted []byte) ([]byte, bool) {
	if len(quoted) < 2 || quoted[0] != '"' || quoted[len(quoted)-1] != '"' {
		return dst, false
	}
	s := quoted[1 : len(quoted)-1]
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			dst = append(dst, s[i])
			continue
		}
		if i++; i >= len(s) {
			return dst, false
		}
		if s[i] == 'u' {
			r, n, ok := escapedRune(s[i+1:])
			if !ok {
				return dst, false
			}
			dst = utf8.AppendRune(dst, r)
			i += n
			continue
		}
		at := strings.IndexByte(`"\/bfnrt`, s[i])
		if at < 0 {
			return dst, false
		}
		dst = append(dst, "\"\\/\b\f\n\r\t"[at])
	}
	return dst, true
}

// escapedRune reads what comes after \u: four digits, and, where they are the
// first half of a pair, the second half. n is the number of bytes read.
func escapedRune(s []byte) (r rune, n int, ok bool) {
	if r, ok = hex4(s); !ok || !utf16.IsSurrogate(r) {
		return r, 4, ok
	}
	if len(s) > 6 && s[4] == '\\' && s[5] == 'u' {
		if low, ok := hex4(s[6:]); ok {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return pair, 10, true
			}
		}
	}
	return utf8.RuneError, 4, true
}

func hex4(s []byte) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	v, err := strconv.ParseUint(string(s[:4]), 16, 32)
	return rune(v), err == nil
}

// Valid reports whether s may be put into a payload as it is.
func Valid(s []byte) bool { return utf8.Valid(s) && json.Valid(s) }

// IsNumber reports whether s is a JSON number: not NaN, Infinity or a hexadecimal.
func IsNumber(s []byte) bool {
	return len(s) > 0 && (s[0] == '-' || s[0]-'0' <= 9) && json.Valid(s)
}
