package access

import (
	"net/http"

	"chatbridge/internal/jsonscan"
)

// Body is an answer of the bridge's own, as JSON.
type Body struct {
	// Code is Engine.IO's, in answers to a Socket.IO client; 0 is left out.
	Code int `json:"code,omitempty"`
	// Message says what is wrong, for a person.
	Message string `json:"message"`
	// Error and Reason are further words for programs; empty ones are left out.
	Error  string `json:"error,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Answer writes an answer of the bridge's own in a way that the pages that
// admitted admits can read: without CORS a browser would show them a failed
// connection. Their preflight requests are answered 204 in any case, because
// otherwise the request itself would not follow. A nil admitted admits none. With 429,
// for who sends too many requests, the connection ends, and preflights get it too.
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

// CORS lets the page that a request is from read the answer, if admitted admits
// it, and reports whether that was all: it has answered a preflight request. A
// request without an Origin is of no page.
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
	// A client that sends cookies takes no "*" for an answer.
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
