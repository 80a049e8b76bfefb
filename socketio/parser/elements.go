package parser

import (
	"encoding/json"
	"slices"

	"chatbridge/internal/jsonscan"
)

// Elements appends the elements of a JSON array to dst. array must be valid, as
// the Data of a decoded event or acknowledgement is; the elements alias it.
func Elements(dst []json.RawMessage, array []byte) []json.RawMessage {
	for it := jsonscan.Iterate(array); it.Next(); {
		dst = append(dst, slices.Clip(it.Value))
	}
	return dst
}
