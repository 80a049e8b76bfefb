package plan

// WordTable is a table of words, by their length: among the few of one length
// comparing is faster than hashing (6 ns against 18).
type WordTable [][]word

type word struct {
	from string
	to   []byte // nil for a word that is known and has no value
}

// NewWordTable takes words and what they become; nil is a known word without a value.
func NewWordTable(table map[string][]byte) WordTable {
	var w WordTable
	for from, to := range table {
		for len(w) <= len(from) {
			w = append(w, nil)
		}
		w[len(from)] = append(w[len(from)], word{from, to})
	}
	return w
}

// UnknownWord is a value for which the words of a member have none.
type UnknownWord struct {
	Member string
	Word   []byte
}

func (w WordTable) find(s []byte) (to []byte, ok bool) {
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

// Words translates text by a table of words, without regard to the case of
// ASCII letters. A word that is not in the table is no value.
type Words struct {
	Of    Expr
	Words WordTable
	// Count names the member whose unknown words are counted, empty for none.
	Count string
}

func (x *Words) Text(e *Env) ([]byte, bool) {
	s, ok := x.Of.Text(e)
	if !ok {
		return nil, false
	}
	if to, ok := x.Words.find(s); ok {
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
		if to, ok := x.Words.find(lower[:len(s)]); ok {
			return to, to != nil
		}
	}
	if x.Count != "" && !e.Quiet {
		e.Unknown = append(e.Unknown, UnknownWord{x.Count, s})
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

func (x *Words) JSON(dst []byte, e *Env) ([]byte, bool) { return quoted(x, dst, e) }
func (x *Words) Walk(visit func(Ref))                   { x.Of.Walk(visit) }
