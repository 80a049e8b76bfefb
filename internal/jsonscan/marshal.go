package jsonscan

import (
	"bytes"
	"encoding/json"
)

// Marshal is json.Marshal without the escapes for HTML (\u003c and its kind),
// as JSON.stringify and other Socket.IO servers print JSON.
func Marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
