package socketio

import (
	"bytes"
	"encoding/json"
)

// marshal is json.Marshal without the escapes for HTML, as other Socket.IO
// servers print JSON.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
