package access

import (
	"net/http"
	"strings"
)

// RawPath returns the path of a request as its client wrote it: escapes, empty
// and dot segments as they came.
func RawPath(r *http.Request) string {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if !strings.HasPrefix(path, "/") { // a whole URL (RFC 9112, 3.2.2)
		return r.URL.EscapedPath()
	}
	return path
}

// Below reports whether a raw path is Socket.IO's where that is path, without a
// trailing slash: path itself, and all that begins with it and a slash, as
// Node's server has it.
func Below(raw, path string) bool {
	rest, ok := strings.CutPrefix(raw, path)
	return ok && (rest == "" || rest[0] == '/')
}
