package convert

import "chatbridge/internal/jsonscan"

// Edit says what a rewritten jsonb value loses or gains.
type Edit struct {
	// DropNulls leaves out members that are null, at any depth, and elements of
	// the outermost list that are.
	DropNulls bool
	// Times names members, of the outermost object or of the objects of the
	// outermost list, whose text is printed again as a contract time.
	Times []string
	// Unit is that of times that are numbers; Unitless is set where there is
	// such a number and no unit.
	Unit     Unit
	Unitless *bool
}

// None reports whether e changes nothing.
func (e Edit) None() bool { return !e.DropNulls && len(e.Times) == 0 }

// Append appends the JSON value s as e changes it; what e does not touch is copied
// byte for byte. It is false when s nests deeper than jsonscan.MaxDepth.
func (e Edit) Append(dst, s []byte) ([]byte, bool) { return e.append(dst, s, 0) }

func (e Edit) append(dst, s []byte, depth int) ([]byte, bool) {
	f, ok := JSONForm(s)
	if !ok || f != FormObject && f != FormArray || depth > jsonscan.MaxDepth {
		return append(dst, s...), depth <= jsonscan.MaxDepth
	}
	it := jsonscan.Iterate(s)
	dst = append(dst, s[jsonscan.SkipSpace(s, 0)])
	first := true
	for it.Next() {
		null := e.DropNulls && jsonscan.IsNull(it.Value)
		if null && (it.End == '}' || depth == 0) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		inner := e
		if it.End == '}' {
			dst = append(append(dst, it.Key...), ':')
			if e.isTime(it.Key) {
				dst = e.appendTimeAgain(dst, it.Value)
				continue
			}
			inner.Times = nil
		}
		if dst, ok = inner.append(dst, it.Value, depth+1); !ok {
			return dst, false
		}
	}
	return append(dst, it.End), !it.Bad
}

func (e Edit) isTime(key []byte) bool {
	for _, name := range e.Times {
		if jsonscan.KeyIs(key, name) {
			return true
		}
	}
	return false
}

// appendTimeAgain prints the time in a JSON string, or number, as a contract
// time, and anything else as it is.
func (e Edit) appendTimeAgain(dst, value []byte) []byte {
	plain := value
	switch f, ok := JSONForm(value); {
	case ok && f == FormText:
		if plain, ok = jsonscan.Unquote(nil, value); !ok {
			return append(dst, value...)
		}
	case !ok || f != FormNumber:
		return append(dst, value...)
	}
	start := len(dst)
	out, ok, unitless := AppendTimeOf(append(dst, '"'), plain, e.Unit)
	if unitless && e.Unitless != nil {
		*e.Unitless = true
	}
	if !ok {
		return append(dst[:start], value...)
	}
	return append(out, '"')
}

// AppendOpen appends the members of the object base as ,"name":value, without
// those of names that are null, and without the braces.
func AppendOpen(dst, base []byte, names []string) ([]byte, bool) {
	it := jsonscan.Iterate(base)
	if it.Bad || it.End != '}' {
		return dst, false
	}
	for it.Next() {
		if jsonscan.IsNull(it.Value) && keyIn(it.Key, names) {
			continue
		}
		dst = append(dst, ',')
		dst = append(append(append(dst, it.Key...), ':'), it.Value...)
	}
	return dst, !it.Bad
}

// HasMember reports whether the object has a member of that name that is not null.
func HasMember(object []byte, name string) bool {
	it := jsonscan.Iterate(object)
	for it.End == '}' && it.Next() {
		if jsonscan.KeyIs(it.Key, name) {
			return !jsonscan.IsNull(it.Value)
		}
	}
	return false
}

func keyIn(key []byte, names []string) bool {
	for _, n := range names {
		if jsonscan.KeyIs(key, n) {
			return true
		}
	}
	return false
}
