package engine

import "chatbridge/source"

func cloneRow(row source.Row) source.Row {
	n := 0
	for i := range row {
		n += len(row[i].Data)
	}
	buf := make([]byte, 0, n)
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
