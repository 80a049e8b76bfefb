package realtime

import (
	"errors"
	"net/url"
	"strings"
)

const urlHint = "source.realtime.url: want the project's address, such as https://ref.supabase.co"

// socketURL is the address to dial, without the query, for a project's
// address or for Realtime's own: the project's gateway has the socket at
// /realtime/v1/websocket, the server itself at /socket/websocket.
func socketURL(s string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil || u.Host == "" {
		// The parser's own text would show the whole address.
		return nil, errors.New(urlHint)
	}
	switch u.Scheme {
	case "http", "ws":
		u.Scheme = "ws"
	case "https", "wss":
		u.Scheme = "wss"
	default:
		return nil, errors.New(urlHint)
	}
	u.RawQuery, u.Fragment, u.User = "", "", nil
	path := strings.TrimRight(u.Path, "/")
	switch {
	case strings.HasSuffix(path, "/websocket"):
	case strings.HasSuffix(path, "/realtime/v1"), strings.HasSuffix(path, "/socket"):
		path += "/websocket"
	default:
		path += "/realtime/v1/websocket"
	}
	u.Path = path
	return u, nil
}

// restURL is PostgREST's address of a project, empty where the address is
// that of a Realtime server without a gateway.
func restURL(s string) string {
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil || u.Host == "" {
		return ""
	}
	switch u.Scheme {
	case "ws":
		u.Scheme = "http"
	case "wss":
		u.Scheme = "https"
	}
	u.RawQuery, u.Fragment, u.User = "", "", nil
	path := strings.TrimSuffix(strings.TrimRight(u.Path, "/"), "/websocket")
	if strings.HasSuffix(path, "/socket") {
		return ""
	}
	u.Path = strings.TrimSuffix(path, "/realtime/v1") + "/rest/v1"
	return u.String()
}
