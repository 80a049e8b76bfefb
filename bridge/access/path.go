package access

import (
	"net/http"
	"strings"
)

// RawPath returns the path of a request as its client wrote it, with escapes, empty
// segments and dot segments. The path of a URL without one is "/".
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

// HasPath reports whether the target of a request is a path or an http or https URL. `*`,
// which asks for the server itself, is neither, nor is any other target that Go accepts.
func HasPath(r *http.Request) bool {
	return strings.HasPrefix(r.RequestURI, "/") || r.URL.Host != "" && (r.URL.Scheme == "http" || r.URL.Scheme == "https")
}

// Below reports whether a raw path is path itself, or begins with path and a slash, as
// Node's Socket.IO server compares paths. path has no trailing slash.
func Below(raw, path string) bool {
	rest, ok := strings.CutPrefix(raw, path)
	return ok && (rest == "" || rest[0] == '/')
}
