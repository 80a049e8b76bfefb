package sioclient

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// Options configures a Client.
type Options struct {
	// URL is the server's address: http, https, ws or wss, and a host. A path
	// in it counts where Path is empty.
	URL string
	// Path is where the server answers. Default "/api/ws".
	Path string
	// Namespace defaults to "/".
	Namespace string
	// Auth is the CONNECT payload, such as {"token": …}. Nil sends none.
	Auth map[string]any
	// Header is sent with the websocket handshake.
	Header http.Header
	// Dialer defaults to one with a handshake time-out of 20 s.
	Dialer *websocket.Dialer
	// Backoff says when to come back.
	Backoff Backoff
	// NoRecovery forgets the session when a connection ends.
	NoRecovery bool

	// OnConnect is called each time that the namespace was joined.
	OnConnect func(Session)
	// OnDisconnect is called each time that the connection ended or could not be
	// made, with the reason, and how long it will be until the next attempt;
	// below zero there is none.
	OnDisconnect func(err error, retry time.Duration)
	// OnEvent is called with each event.
	OnEvent func(Event)
}

// Session is what the server said to a CONNECT.
type Session struct {
	// ID is the socket's id. PID is the private one; empty where the server
	// recovers no sessions.
	ID, PID string
	// Recovered tells that the session before goes on.
	Recovered bool
}

// Event is one event of the server.
type Event struct {
	Name string
	// Args are the arguments, valid after the callback too. Where the session
	// can be recovered the last is the offset.
	Args []json.RawMessage
	// Attachments are the binary parts that placeholders in Args point to.
	Attachments [][]byte
}

// Backoff is the pause before an attempt to come back: Delay, doubled with
// each attempt up to Most, spread as by [retry.Jitter].
type Backoff struct {
	Delay, Most time.Duration
	// Attempts is how many failures in a row end it; 0: none do.
	Attempts int
}

// DefaultBackoff is 1 s to 5 s, for ever, as socket.io-client's. (The CRM sets five
// attempts.)
func DefaultBackoff() Backoff { return Backoff{Delay: time.Second, Most: 5 * time.Second} }

// address is where the websocket is opened.
func (o Options) address() (string, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" {
		return "", errors.New("address is not a URL such as http://127.0.0.1:8080")
	}
	switch u.Scheme {
	case "http", "ws":
		u.Scheme = "ws"
	case "https", "wss":
		u.Scheme = "wss"
	default:
		return "", fmt.Errorf("address begins with %s://: want http, https, ws or wss", u.Scheme)
	}
	path := o.Path
	if path == "" {
		path = u.Path
	}
	if path = strings.TrimRight(path, "/"); path == "" {
		path = "/api/ws"
	}
	q := u.Query()
	q.Set("EIO", "4")
	q.Set("transport", "websocket")
	u.Path, u.RawQuery, u.Fragment = path+"/", q.Encode(), ""
	return u.String(), nil
}
