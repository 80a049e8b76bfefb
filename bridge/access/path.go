package access

import (
	"net/http"
	"strings"
)

// RawPath returns the path of a request as its client wrote it: escapes, empty
// and dot segments as they came. One of a URL without a path is "/".
func RawPath(r *http.Request) string {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if strings.HasPrefix(path, "/") {
		return path
	}
	if path = r.URL.EscapedPath(); path == "" { // a whole URL (RFC 9112, 3.2.2)
		return "/"
	}
	return path
}

// HasPath reports whether a request is for a path, or for a whole URL of HTTP. `*`,
// which asks for the server itself, and Go's other readings of a target are none.
func HasPath(r *http.Request) bool {
	return strings.HasPrefix(r.RequestURI, "/") || r.URL.Host != "" && (r.URL.Scheme == "http" || r.URL.Scheme == "https")
}

// Below reports whether a raw path is Socket.IO's where that is path, without a
// trailing slash: path itself, and all that begins with it and a slash, as
// Node's server has it.
func Below(raw, path string) bool {
	rest, ok := strings.CutPrefix(raw, path)
	return ok && (rest == "" || rest[0] == '/')
}
