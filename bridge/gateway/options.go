package gateway

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Options configure a Gateway. Start from [DefaultOptions].
type Options struct {
	// Upstream is ChatEngine's address, http, https, ws or wss; a path in it is
	// put before each request's. Required.
	Upstream *url.URL
	// Path is the Socket.IO path, without a trailing slash.
	Path string
	// Local serves the Socket.IO path instead of ChatEngine. Required.
	Local http.Handler
	// Knows reports whether Local issued this Engine.IO sid and still has its
	// session. Required: without it a polling session would be sent to a server
	// that does not know it.
	Knows func(sid string) bool
	// Shed closes the transports of up to n of Local's clients, chosen at
	// random, and returns how many it closed. Required.
	Shed func(n int) (closed int)

	// Ordered is called with each mode that Admin was told and has applied, such as to tell
	// other bridges of it; nil for nothing. It must not wait.
	Ordered func(Mode)

	// HealthPath is a path of ChatEngine's that answers 2xx while it is
	// healthy. Empty: the Socket.IO path is asked with an unknown sid, which
	// every Engine.IO server refuses with its own JSON error. That proves that
	// the event loop and the Socket.IO server live, works with an unmodified
	// ChatEngine, and unlike a handshake leaves no session behind.
	HealthPath string
	// Interval is the time between probes, Timeout the bound of one.
	Interval, Timeout time.Duration
	// FailAfter is the number of failed probes in a row that make ChatEngine
	// count as down. A refused connection needs no second one; nor does a failed
	// probe after a failed session or while proxied connections are breaking,
	// where a WebSocket of the gateway's own fails as well.
	FailAfter int
	// HealthyFor is how long the probes must have succeeded before clients are
	// handed back. It doubles, up to eight times, each time ChatEngine fails
	// soon after a hand-back.
	HealthyFor time.Duration

	// DialTimeout bounds a connection attempt to ChatEngine, HandshakeTimeout
	// its answer to a request that opens a session; past either, the request is
	// served locally.
	DialTimeout, HandshakeTimeout time.Duration
	// Limits bound what is passed on; SetLimits replaces them.
	Limits Limits
	// AdmitAddress and AdmitOrigin report whether the client of a request may
	// connect at all, by its address and by the Origin of the page that it is
	// from; requests without an Origin are to be admitted by the second. They are
	// called from many goroutines. Nil admits everybody.
	AdmitAddress, AdmitOrigin func(*http.Request) bool

	// AdmitRequest takes one of the requests that its client's address may have answered,
	// though the gateway does not pass it on and it opens no session, and reports whether
	// there was one. It is called from many goroutines. Nil admits all.
	AdmitRequest func(*http.Request) bool

	// Batch is how many clients are moved at once, BatchInterval the mean time
	// between two batches; the actual one varies by a quarter.
	Batch         int
	BatchInterval time.Duration

	// CatchUp is how long a new proxied WebSocket gets the bridge's events too,
	// once the bridge is ready and fresh (package handover); it must exceed the
	// time between ChatEngine's event and the bridge's. Zero turns hand-overs off:
	// then a client loses what is sent while it moves.
	CatchUp time.Duration
	// CatchUpWait bounds the time for which ChatEngine's events wait for the
	// bridge. Past it they pass, and what the client missed comes late and out
	// of order, if it comes before CatchUpLate.
	CatchUpWait, CatchUpLate time.Duration
	// Fresh reports whether the bridge has read what was committed before a time,
	// give or take a second; until it has, a hand-over goes on. Nil: always.
	Fresh func(since time.Time) bool

	// Rest, unless nil, answers requests of ChatEngine's REST interface while the state is
	// Local, and those without a body that ChatEngine failed.
	Rest Rest

	// Texts, unless nil, is told of the texts that pass to ChatEngine.
	Texts Texts

	// Since tells how far the bridge has read: letters, digits and - alone, or nothing.
	// Clients bring along what it was when they first came to ChatEngine, see Since. Nil:
	// they get no private id, so that they bring nothing, and nobody knows when they left.
	Since func() string
	// OwedSince tells since when a client lacks something that connects with this private
	// id and offset, zero if it lacks nothing; it is asked while they connect, from many
	// goroutines. Nil: as LeftUpstreamSince has it.
	OwedSince func(pid, offset string) time.Time
	// DeparturesFile keeps over a restart when clients of ChatEngine were cut, see
	// LeftUpstreamSince. It is replaced; what it lacks makes clients be caught up on more
	// than they missed. Empty: nowhere.
	DeparturesFile string

	// Webhooks are kept while ChatEngine is away, and where it fails one.
	Webhooks Webhooks

	// TrustedProxies are those whose X-Forwarded-* headers are passed on;
	// anyone else's are replaced.
	TrustedProxies []netip.Prefix
	// TLS is for an https or wss upstream; nil means the system's roots.
	TLS *tls.Config
	// Logger gets one line per change of state. Nil discards.
	Logger *slog.Logger
}

// Rest answers requests of ChatEngine's REST interface. Its methods are called from many
// goroutines.
type Rest interface {
	http.Handler
	// Answers reports whether it has an answer to a request of this method and path.
	Answers(*http.Request) bool
}

// DefaultOptions returns the defaults; Upstream, Local, Knows and Shed remain
// to be set.
func DefaultOptions() Options {
	return Options{
		Path:             "/api/ws",
		Interval:         time.Second,
		Timeout:          2 * time.Second,
		FailAfter:        3,
		HealthyFor:       10 * time.Second,
		DialTimeout:      2 * time.Second,
		HandshakeTimeout: 4 * time.Second,
		Limits:           Limits{WriteTimeout: 30 * time.Second},
		Batch:            25,
		BatchInterval:    500 * time.Millisecond,
		CatchUp:          2 * time.Second,
		CatchUpWait:      10 * time.Second,
		CatchUpLate:      time.Minute,
	}
}

// Validate returns every fault of o, joined, each with the setting's name.
func (o Options) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	switch {
	case o.Upstream == nil:
		fault("upstream: missing; set it to ChatEngine's address, such as http://127.0.0.1:3000")
	case o.Upstream.Host == "":
		fault("upstream: %q has no host; write it as http://host:port", o.Upstream.Redacted())
	default:
		switch o.Upstream.Scheme {
		case "http", "https", "ws", "wss":
		default:
			fault("upstream: scheme %q is none of http, https, ws, wss", o.Upstream.Scheme)
		}
	}
	if !strings.HasPrefix(o.Path, "/") || len(o.Path) < 2 || strings.HasSuffix(o.Path, "/") {
		fault("path: %q must start with a slash and not end with one", o.Path)
	}
	if o.Local == nil || o.Knows == nil || o.Shed == nil {
		fault("local, knows and shed: all three are needed")
	}
	if o.HealthPath != "" && !strings.HasPrefix(o.HealthPath, "/") {
		fault("health path: %q must start with a slash", o.HealthPath)
	}
	positive := func(name string, d time.Duration) {
		if d <= 0 {
			fault("%s: %v must be positive", name, d)
		}
	}
	positive("interval", o.Interval)
	positive("timeout", o.Timeout)
	positive("healthy for", o.HealthyFor)
	positive("dial timeout", o.DialTimeout)
	positive("handshake timeout", o.HandshakeTimeout)
	positive("write timeout", o.Limits.WriteTimeout)
	positive("batch interval", o.BatchInterval)
	if o.FailAfter < 1 {
		fault("fail after: %d must be at least 1", o.FailAfter)
	}
	if o.Batch < 1 {
		fault("batch: %d must be at least 1", o.Batch)
	}
	for _, path := range o.Webhooks.Paths {
		if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, o.Path+"/") || path == o.Path {
			fault("webhooks: the path %q must start with a slash and be none of the Socket.IO server's", path)
		}
	}
	if o.CatchUp < 0 || o.CatchUp > 0 && (o.CatchUpWait <= 0 || o.CatchUpLate < o.CatchUpWait) {
		fault("catch up: must not be negative, and needs a positive wait and a later end")
	}
	return errors.Join(faults...)
}
