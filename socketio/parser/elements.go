package parser

import "encoding/json"

// Elements appends the elements of a JSON array to dst. array must be valid, as
// the Data of a decoded event or acknowledgement is; the elements alias it.
func Elements(dst []json.RawMessage, array []byte) []json.RawMessage {
	i := skipSpace(array, 0)
	if i >= len(array) || array[i] != '[' {
		return dst
	}
	for i = skipSpace(array, i+1); i < len(array) && array[i] != ']'; {
		end := skipValue(array, i)
		if end == i { // a stray brace or comma: it is not valid, and must not hold us up
			return dst
		}
		dst = append(dst, json.RawMessage(array[i:end:end]))
		if i = skipSpace(array, end); i < len(array) && array[i] == ',' {
			i = skipSpace(array, i+1)
		}
	}
	return dst
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\r' || b[i] == '\n') {
		i++
	}
	return i
}

// skipValue returns the end of the value that begins at i.
func skipValue(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			i = skipString(b, i)
			if depth == 0 {
				return i
			}
			continue
		case '[', '{':
			depth++
		case ']', '}':
			if depth == 0 {
				return i // of the array around a number or a word
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	return i
}

// skipString returns the end of the string that begins at i.
func skipString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}
