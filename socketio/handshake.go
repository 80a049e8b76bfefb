package socketio

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// Handshake is the first request of a connection, and the payload of its CONNECT.
type Handshake struct {
	// Auth is the payload of the CONNECT packet, a JSON object; "{}" if absent.
	Auth json.RawMessage
	// Query and Header are those of the first HTTP request. Header has the Host
	// as well.
	Query  url.Values
	Header http.Header
	// RemoteAddr is the address and port of the TCP peer.
	RemoteAddr string
	// PID and Offset are those of Auth that ask for recovery; empty if absent.
	PID, Offset string
}

// firstRequest is a connection's first request as text, which takes about a third of
// the memory of the parsed form for as long as the connection is open.
type firstRequest struct {
	query, header, remoteAddr string
}

func newFirstRequest(r *http.Request) firstRequest {
	var b strings.Builder
	b.WriteString("Host: " + r.Host + "\r\n")
	for name, values := range r.Header {
		if strings.HasPrefix(name, "Sec-Websocket-") { // for the WebSocket handshake only
			continue
		}
		for _, v := range values {
			b.WriteString(name + ": " + v + "\r\n")
		}
	}
	return firstRequest{query: r.URL.RawQuery, header: b.String(), remoteAddr: r.RemoteAddr}
}

// handshake parses the request. It was parsed before, so it is valid but for the
// query, of which the valid part counts.
func (f firstRequest) handshake() *Handshake {
	h := &Handshake{RemoteAddr: f.remoteAddr, Header: make(http.Header)}
	h.Query, _ = url.ParseQuery(f.query)
	for line := range strings.SplitSeq(f.header, "\r\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			h.Header[name] = append(h.Header[name], value) // the names are canonical
		}
	}
	return h
}
