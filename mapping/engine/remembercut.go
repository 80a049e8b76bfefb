package engine

import (
	"slices"
	"unicode/utf8"

	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// remember puts a message's row into memory. One that takes more than memory
// holds of any row is kept shortened: its content is cut, other large values
// are left away. That is better than to look it up, as large as it is, for each
// event that shows it.
func (m *Mapper) remember(kind plan.TableID, key rowKey, row source.Row, mask []bool) *remembered {
	r := m.memory.put(kind, key, row, mask)
	if r != nil {
		r.cut = false
		return r
	}
	if r = m.memory.put(kind, key, m.cutRow(row, m.opts.RememberBytes/64), mask); r != nil {
		r.cut = true
	}
	return r
}

// cutRow is a message's row without values of more than most bytes, and with
// the beginning of its content.
func (m *Mapper) cutRow(row source.Row, most int) source.Row {
	out := slices.Clone(row)
	for i := range out {
		switch v := &out[i]; {
		case len(v.Data) <= most:
		case m.plan.ContentSlots[i]:
			end := most
			for end > most-utf8.UTFMax && !utf8.RuneStart(v.Data[end]) {
				end--
			}
			v.Data = append(slices.Clone(v.Data[:end]), plan.ShortenedMark...)
		default:
			*v = source.Value{Kind: source.Null}
		}
	}
	return out
}
