package mapping

// words is a table of words, by their length: among the few of one length
// comparing is faster than hashing (6 ns against 18).
type words [][]word

type word struct {
	from string
	to   []byte // nil for a word that is known and has no value
}

func newWords(table map[string][]byte) words {
	var w words
	for from, to := range table {
		for len(w) <= len(from) {
			w = append(w, nil)
		}
		w[len(from)] = append(w[len(from)], word{from, to})
	}
	return w
}

func (w words) find(s []byte) (to []byte, ok bool) {
	if len(s) >= len(w) {
		return nil, false
	}
	for i := range w[len(s)] {
		if x := &w[len(s)][i]; x.from == string(s) {
			return x.to, true
		}
	}
	return nil, false
}

// wordsExpr translates text by a table of words, without regard to the case of
// ASCII letters. A word that is not in the table is no value.
type wordsExpr struct {
	of    expr
	words words
	// count names the member whose unknown words are counted, empty for none.
	count string
}

func (x *wordsExpr) text(e *env) ([]byte, bool) {
	s, ok := x.of.text(e)
	if !ok {
		return nil, false
	}
	if to, ok := x.words.find(s); ok {
		return to, to != nil
	}
	var lower [64]byte
	if len(s) <= len(lower) && hasUpper(s) {
		for i, c := range s {
			if c >= 'A' && c <= 'Z' {
				c += 'a' - 'A'
			}
			lower[i] = c
		}
		if to, ok := x.words.find(lower[:len(s)]); ok {
			return to, to != nil
		}
	}
	if x.count != "" && !e.quiet {
		e.unknown = append(e.unknown, x.count)
	}
	return nil, false
}

func hasUpper(s []byte) bool {
	for _, c := range s {
		if c >= 'A' && c <= 'Z' {
			return true
		}
	}
	return false
}

func (x *wordsExpr) json(dst []byte, e *env) ([]byte, bool) { return quoted(x, dst, e) }
func (x *wordsExpr) walk(visit func(ref))                   { x.of.walk(visit) }
