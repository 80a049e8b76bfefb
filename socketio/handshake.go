package socketio

import (
	"encoding/json"
	"net/http"
	"net/url"
)

// Handshake is what a client said when it connected.
type Handshake struct {
	// Auth is the payload of the CONNECT packet, a JSON object; "{}" if absent.
	Auth json.RawMessage
	// Query and Header are those of the first HTTP request.
	Query  url.Values
	Header http.Header
	// RemoteAddr is the address and port of the TCP peer.
	RemoteAddr string
	// PID and Offset are those of Auth that ask for recovery; empty if absent.
	PID, Offset string
}
