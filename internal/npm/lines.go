package npm

import "bytes"

// maxLine bounds one line of a script's output, in bytes; what is longer is
// handed on in pieces. (A JSON object in pieces is no JSON object, so it shows
// up among the lines of standard error.)
const maxLine = 16 << 20

// lineWriter cuts what is written to it into lines. The line is only valid
// during the call.
type lineWriter struct {
	line func([]byte)
	rest []byte
}

func (w *lineWriter) Write(b []byte) (int, error) {
	n := len(b)
	for {
		head, tail, found := bytes.Cut(b, []byte{'\n'})
		if !found {
			w.rest = append(w.rest, b...)
			if len(w.rest) > maxLine {
				w.flush()
			}
			return n, nil
		}
		if len(w.rest) > 0 {
			w.rest = append(w.rest, head...)
			w.flush()
		} else {
			w.line(head)
		}
		b = tail
	}
}

// flush hands on an unfinished last line.
func (w *lineWriter) flush() {
	if len(w.rest) > 0 {
		w.line(w.rest)
		w.rest = w.rest[:0]
	}
}
