package jsonscan

import "bytes"

// The scanner below walks JSON text without building anything. It takes text
// that is valid JSON and does not check more than it must to stay inside it;
// on other text it reports false and never panics.

// MaxDepth bounds nesting; Postgres itself stops at about 6,000 levels under
// the default max_stack_depth, clients earlier.
const MaxDepth = 512

func SkipSpace(s []byte, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\n' || s[i] == '\t' || s[i] == '\r') {
		i++
	}
	return i
}

// SkipString returns the index after the string that starts at s[i].
func SkipString(s []byte, i int) (int, bool) {
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

// SkipValue returns the index after the value that starts at s[i].
func SkipValue(s []byte, i int) (int, bool) {
	depth := 0
	for i < len(s) {
		switch s[i] {
		case '"':
			end, ok := SkipString(s, i)
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
			for i < len(s) && !delimits(s[i]) {
				i++
			}
		}
		if depth <= 0 {
			return i, depth == 0
		}
	}
	return i, false
}

// delimits reports whether c ends a number or a literal.
func delimits(c byte) bool {
	switch c {
	case ' ', '\n', '\t', '\r', ',', ':', '{', '}', '[', ']', '"':
		return true
	}
	return false
}

// Iter walks the members of an object or the elements of an array.
type Iter struct {
	s   []byte
	i   int
	End byte
	// key is the present member's name with its quotes, nil in an array; value
	// the present value.
	Key, Value []byte
	started    bool
	Bad        bool
}

// Iterate starts at the object or array that s is; bad is set when it is
// neither.
func Iterate(s []byte) Iter {
	it := Iter{s: s, i: SkipSpace(s, 0)}
	switch {
	case it.i < len(s) && s[it.i] == '{':
		it.End = '}'
	case it.i < len(s) && s[it.i] == '[':
		it.End = ']'
	default:
		it.Bad = true
	}
	it.i++
	return it
}

func (it *Iter) Next() bool {
	if it.Bad {
		return false
	}
	i := SkipSpace(it.s, it.i)
	if i < len(it.s) && it.s[i] == it.End {
		it.i = i
		return false
	}
	if it.started {
		if i >= len(it.s) || it.s[i] != ',' {
			it.Bad = true
			return false
		}
		i = SkipSpace(it.s, i+1)
	}
	it.started = true
	var ok bool
	if it.End == '}' {
		start := i
		if i, ok = SkipString(it.s, i); !ok {
			it.Bad = true
			return false
		}
		it.Key = it.s[start:i]
		if i = SkipSpace(it.s, i); i >= len(it.s) || it.s[i] != ':' {
			it.Bad = true
			return false
		}
		i = SkipSpace(it.s, i+1)
	}
	start := i
	if i, ok = SkipValue(it.s, i); !ok {
		it.Bad = true
		return false
	}
	it.Value, it.i = it.s[start:i], i
	return true
}

func IsNull(s []byte) bool { return string(bytes.TrimSpace(s)) == "null" }

// Descend returns the value at path: names of members, or positions in lists.
func Descend(s []byte, path []string) ([]byte, bool) {
	for _, step := range path {
		it := Iterate(s)
		found := false
		for n := 0; it.Next(); n++ {
			if it.End == '}' && KeyIs(it.Key, step) || it.End == ']' && positionIs(n, step) {
				s, found = it.Value, true
				break
			}
		}
		if !found {
			return nil, false
		}
	}
	return s, true
}

// KeyIs compares a quoted name with a plain one. A name that is written with
// escapes is decoded first; jsonb writes none that it need not.
func KeyIs(quoted []byte, name string) bool {
	in := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(in, '\\') < 0 {
		return string(in) == name
	}
	plain, ok := Unquote(nil, quoted)
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
