package mapping

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// edit says what a rewritten jsonb value loses or gains.
type edit struct {
	// dropNulls leaves out members that are null, at any depth, and elements of
	// the outermost list that are.
	dropNulls bool
	// times names members, of the outermost object or of the objects of the
	// outermost list, whose text is printed again as a contract time.
	times []string
	// unit is that of times that are numbers; counted is set where there is
	// such a number and no unit.
	unit    timeUnit
	counted *bool
}

func (e edit) none() bool { return !e.dropNulls && len(e.times) == 0 }

// appendEdited appends the JSON value s under e. What e does not touch is
// copied byte for byte.
func appendEdited(dst, s []byte, e edit, depth int) ([]byte, bool) {
	f, ok := jsonForm(s)
	if !ok || f != formObject && f != formArray || depth > maxDepth {
		return append(dst, s...), depth <= maxDepth
	}
	it := iterate(s)
	dst = append(dst, s[skipSpace(s, 0)])
	first := true
	for it.next() {
		null := e.dropNulls && isNull(it.value)
		if null && (it.end == '}' || depth == 0) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		inner := e
		if it.end == '}' {
			dst = append(append(dst, it.key...), ':')
			if e.isTime(it.key) {
				dst = e.appendTimeAgain(dst, it.value)
				continue
			}
			inner.times = nil
		}
		if dst, ok = appendEdited(dst, it.value, inner, depth+1); !ok {
			return dst, false
		}
	}
	return append(dst, it.end), !it.bad
}

func (e edit) isTime(key []byte) bool {
	for _, name := range e.times {
		if keyIs(key, name) {
			return true
		}
	}
	return false
}

// appendTimeAgain prints the time in a JSON string, or number, as a contract
// time, and anything else as it is.
func (e edit) appendTimeAgain(dst, value []byte) []byte {
	plain := value
	switch f, ok := jsonForm(value); {
	case ok && f == formText:
		if plain, ok = unquote(nil, value); !ok {
			return append(dst, value...)
		}
	case !ok || f != formNumber:
		return append(dst, value...)
	}
	start := len(dst)
	out, ok, counted := appendTimeOf(append(dst, '"'), plain, e.unit)
	if counted && e.counted != nil {
		*e.counted = true
	}
	if !ok {
		return append(dst[:start], value...)
	}
	return append(out, '"')
}

// appendOpen appends the members of the object base as ,"name":value, without
// those of names that are null, and without the braces.
func appendOpen(dst, base []byte, names []string) ([]byte, bool) {
	it := iterate(base)
	if it.bad || it.end != '}' {
		return dst, false
	}
	for it.next() {
		if isNull(it.value) && keyIn(it.key, names) {
			continue
		}
		dst = append(dst, ',')
		dst = append(append(append(dst, it.key...), ':'), it.value...)
	}
	return dst, !it.bad
}

// hasMember tells that the object has a member of that name that is not null.
func hasMember(object []byte, name string) bool {
	it := iterate(object)
	for it.end == '}' && it.next() {
		if keyIs(it.key, name) {
			return !isNull(it.value)
		}
	}
	return false
}

func keyIn(key []byte, names []string) bool {
	for _, n := range names {
		if keyIs(key, n) {
			return true
		}
	}
	return false
}

// unquote appends the text of a JSON string. A lone surrogate becomes U+FFFD,
// for there is no UTF-8 for it.
func unquote(dst, quoted []byte) ([]byte, bool) {
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

// validJSON tells that s may be put into a payload as it is.
func validJSON(s []byte) bool { return utf8.Valid(s) && json.Valid(s) }

// isNumber tells that s is a JSON number: not NaN, Infinity or a hexadecimal.
func isNumber(s []byte) bool {
	return len(s) > 0 && (s[0] == '-' || s[0]-'0' <= 9) && json.Valid(s)
}
