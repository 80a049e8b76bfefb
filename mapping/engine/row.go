package engine

import "chatbridge/source"

// textAt returns a column of a row that may not have it; nil for none.
func textAt(row source.Row, slot int) []byte {
	if slot < len(row) && row[slot].Kind == source.Text {
		return row[slot].Data
	}
	return nil
}

// fill puts what the source did not send of a new row from another state of
// the row; it tells whether there was any.
func fill(row, from source.Row) (filled bool) {
	for i := range row {
		if row[i].Kind == source.Unchanged && i < len(from) && (from[i].Kind == source.Text || from[i].Kind == source.Null) {
			row[i], filled = from[i], true
		}
	}
	return filled
}

// complete reports whether a row has every value.
func complete(row source.Row) bool {
	for i := range row {
		if row[i].Kind != source.Text && row[i].Kind != source.Null {
			return false
		}
	}
	return len(row) > 0
}

func cloneRow(row source.Row) source.Row {
	buf := make([]byte, 0, rowSize(row))
	out := make(source.Row, len(row))
	for i, v := range row {
		start := len(buf)
		buf = append(buf, v.Data...)
		out[i] = source.Value{Kind: v.Kind, Data: buf[start:len(buf):len(buf)]}
	}
	return out
}

func rowSize(row source.Row) int {
	n := 0
	for i := range row {
		n += len(row[i].Data)
	}
	return n
}
