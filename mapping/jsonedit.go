package mapping

import "chatbridge/internal/jsonscan"

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
	if !ok || f != formObject && f != formArray || depth > jsonscan.MaxDepth {
		return append(dst, s...), depth <= jsonscan.MaxDepth
	}
	it := jsonscan.Iterate(s)
	dst = append(dst, s[jsonscan.SkipSpace(s, 0)])
	first := true
	for it.Next() {
		null := e.dropNulls && jsonscan.IsNull(it.Value)
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
			inner.times = nil
		}
		if dst, ok = appendEdited(dst, it.Value, inner, depth+1); !ok {
			return dst, false
		}
	}
	return append(dst, it.End), !it.Bad
}

func (e edit) isTime(key []byte) bool {
	for _, name := range e.times {
		if jsonscan.KeyIs(key, name) {
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
		if plain, ok = jsonscan.Unquote(nil, value); !ok {
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

// hasMember tells that the object has a member of that name that is not null.
func hasMember(object []byte, name string) bool {
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

// jsonForm tells the form of a JSON value by its first byte; false for null
// and for nothing.
func jsonForm(s []byte) (form, bool) {
	i := jsonscan.SkipSpace(s, 0)
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
