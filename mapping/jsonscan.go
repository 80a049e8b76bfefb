package mapping

import "bytes"

// The scanner below walks JSON text without building anything. It takes text
// that is valid JSON and does not check more than it must to stay inside it;
// on other text it reports false and never panics.

// maxDepth bounds nesting; Postgres itself stops at about 6,000 levels under
// the default max_stack_depth, clients earlier.
const maxDepth = 512

func skipSpace(s []byte, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\n' || s[i] == '\t' || s[i] == '\r') {
		i++
	}
	return i
}

// skipString returns the index after the string that starts at s[i].
func skipString(s []byte, i int) (int, bool) {
	if i >= len(s) || s[i] != '"' {
		return i, false
	}
	for i++; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1, true
		}
	}
	return len(s), false
}

// skipValue returns the index after the value that starts at s[i].
func skipValue(s []byte, i int) (int, bool) {
	depth := 0
	for i < len(s) {
		switch s[i] {
		case '"':
			end, ok := skipString(s, i)
			if !ok {
				return end, false
			}
			i = end
		case '{', '[':
			depth++
			i++
			continue
		case '}', ']':
			depth--
			i++
		case ' ', '\n', '\t', '\r', ',', ':':
			if depth == 0 {
				return i, false
			}
			i++
			continue
		default:
			for i < len(s) && !bytes.ContainsRune([]byte(" \n\t\r,:{}[]\""), rune(s[i])) {
				i++
			}
		}
		if depth <= 0 {
			return i, depth == 0
		}
	}
	return i, false
}

// jsonIter walks the members of an object or the elements of an array.
type jsonIter struct {
	s   []byte
	i   int
	end byte
	// key is the present member's name with its quotes, nil in an array; value
	// the present value.
	key, value []byte
	started    bool
	bad        bool
}

// iterate starts at the object or array that s is; bad is set when it is
// neither.
func iterate(s []byte) jsonIter {
	it := jsonIter{s: s, i: skipSpace(s, 0)}
	switch {
	case it.i < len(s) && s[it.i] == '{':
		it.end = '}'
	case it.i < len(s) && s[it.i] == '[':
		it.end = ']'
	default:
		it.bad = true
	}
	it.i++
	return it
}

func (it *jsonIter) next() bool {
	if it.bad {
		return false
	}
	i := skipSpace(it.s, it.i)
	if i < len(it.s) && it.s[i] == it.end {
		it.i = i
		return false
	}
	if it.started {
		if i >= len(it.s) || it.s[i] != ',' {
			it.bad = true
			return false
		}
		i = skipSpace(it.s, i+1)
	}
	it.started = true
	var ok bool
	if it.end == '}' {
		start := i
		if i, ok = skipString(it.s, i); !ok {
			it.bad = true
			return false
		}
		it.key = it.s[start:i]
		if i = skipSpace(it.s, i); i >= len(it.s) || it.s[i] != ':' {
			it.bad = true
			return false
		}
		i = skipSpace(it.s, i+1)
	}
	start := i
	if i, ok = skipValue(it.s, i); !ok {
		it.bad = true
		return false
	}
	it.value, it.i = it.s[start:i], i
	return true
}

// jsonForm tells the form of a JSON value by its first byte; false for null
// and for nothing.
func jsonForm(s []byte) (form, bool) {
	i := skipSpace(s, 0)
	if i >= len(s) {
		return formAny, false
	}
	switch s[i] {
	case '{':
		return formObject, true
	case '[':
		return formArray, true
	case '"':
		return formText, true
	case 't', 'f':
		return formBool, true
	case 'n':
		return formAny, false
	}
	return formNumber, true
}

func isNull(s []byte) bool { return string(bytes.TrimSpace(s)) == "null" }

// descend returns the value at path: names of members, or positions in lists.
func descend(s []byte, path []string) ([]byte, bool) {
	for _, step := range path {
		it := iterate(s)
		found := false
		for n := 0; it.next(); n++ {
			if it.end == '}' && keyIs(it.key, step) || it.end == ']' && positionIs(n, step) {
				s, found = it.value, true
				break
			}
		}
		if !found {
			return nil, false
		}
	}
	return s, true
}

// keyIs compares a quoted name with a plain one. A name that is written with
// escapes is decoded first; jsonb writes none that it need not.
func keyIs(quoted []byte, name string) bool {
	in := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(in, '\\') < 0 {
		return string(in) == name
	}
	plain, ok := unquote(nil, quoted)
	return ok && string(plain) == name
}

func positionIs(n int, step string) bool {
	if len(step) == 0 || len(step) > 9 {
		return false
	}
	v := 0
	for _, c := range []byte(step) {
		if c-'0' > 9 {
			return false
		}
		v = v*10 + int(c-'0')
	}
	return v == n
}
