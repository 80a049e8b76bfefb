package access

import (
	"net/http"

	"chatbridge/internal/jsonscan"
)

// Body is the JSON of an answer that the bridge makes itself.
type Body struct {
	// Code is Engine.IO's error code, for Socket.IO clients; 0 is left out.
	Code int `json:"code,omitempty"`
	// Message says what is wrong, for a person.
	Message string `json:"message"`
	// Error and Reason are identifiers for programs; empty ones are left out.
	Error  string `json:"error,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Answer writes an answer that the bridge makes itself, with the CORS headers without
// which a browser shows a page only a failed connection. Pages that admitted refuses do
// not get them; a nil admitted refuses all. A preflight request of an admitted page gets
// 204 whatever the status, because otherwise the request itself would not follow. Status
// 429 is for clients with too many requests: it closes the connection, and preflights
// get it too. 429, 502 and 503 get Retry-After: 1; with the latter two, a header that is
// set already stays.
func Answer(w http.ResponseWriter, r *http.Request, admitted func(*http.Request) bool, status int, body Body) {
	h := w.Header()
	if status == http.StatusTooManyRequests {
		h.Set("Connection", "close")
		h.Set("Retry-After", "1")
		if r.Method == http.MethodOptions {
			admitted = nil
		}
	}
	if CORS(w, r, admitted) {
		return
	}
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	if (status == http.StatusServiceUnavailable || status == http.StatusBadGateway) && h.Get("Retry-After") == "" {
		h.Set("Retry-After", "1")
	}
	text, err := jsonscan.Marshal(body)
	if err != nil {
		panic(err) // never: it has strings and a number
	}
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // the client may be gone: nothing depends on it
}

// CORS lets the page that sent a request read the answer, if admitted admits the
// request. answered is true for a preflight request, which CORS then has answered. A
// request without an Origin needs no CORS headers.
func CORS(w http.ResponseWriter, r *http.Request, admitted func(*http.Request) bool) (answered bool) {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	if admitted == nil || !admitted(r) {
		return false
	}
	// Browsers do not accept "*" for requests with cookies.
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", "true")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", "GET,HEAD,PUT,PATCH,POST,DELETE")
	if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
		h.Add("Vary", "Access-Control-Request-Headers")
		h.Set("Access-Control-Allow-Headers", asked)
	}
	w.WriteHeader(http.StatusNoContent)
	return true
}
