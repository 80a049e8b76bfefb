package parser

import (
	"encoding/json"
	"slices"

	"chatbridge/internal/jsonscan"
)

// Elements returns the elements of a JSON array; false means that there are more than
// limit. array must be valid, as the Data of a decoded event or acknowledgement is;
// the elements alias it.
func Elements(array []byte, limit int) ([]json.RawMessage, bool) {
	var out []json.RawMessage
	for it := jsonscan.Iterate(array); it.Next(); {
		if len(out) == limit {
			return nil, false
		}
		out = append(out, slices.Clip(it.Value))
	}
	return out, true
}
