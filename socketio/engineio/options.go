package engineio

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// Options configures a [Server]. Start from [DefaultOptions]; a zero duration
// or limit is an error unless the field says that zero means "none".
type Options struct {
	// PingInterval is the time between the handshake or a pong and the next
	// ping. Default 25 s, in whole milliseconds.
	PingInterval time.Duration
	// PingTimeout is how long a pong may take before the session is closed.
	// Default 20 s, in whole milliseconds.
	PingTimeout time.Duration
	// UpgradeTimeout bounds an upgrade that the client began and does not finish;
	// the session stays on polling then. Default 10 s.
	UpgradeTimeout time.Duration
	// MaxPayload is the size in bytes of the largest inbound message and of the
	// largest polling body. Default 1,000,000. It is announced to clients.
	MaxPayload int

	// SIDPrefix begins each session id, so that a proxy can route a session's
	// requests by it. Default empty; letters, digits, '-' and '_' only.
	SIDPrefix string

	// CheckOrigin decides on a request that has an Origin header; requests
	// without one come from programs, not browsers, and are always accepted, and so
	// is the server's own origin ([OwnOrigin]). Nil accepts no other. An accepted
	// origin is echoed in the CORS headers, with credentials.
	CheckOrigin func(origin string) bool
	// ClientAddress names the client for the limits per address. Nil takes the
	// host part of the request's RemoteAddr, which behind a reverse proxy is the
	// proxy's.
	ClientAddress func(r *http.Request) string

	// Limits bound what clients may take of the server.
	Limits

	// GatherMax bounds how long a busy writer waits, so that several frames leave
	// in one write. Default 5 ms; zero never waits. A writer that is not busy never
	// waits either.
	GatherMax time.Duration

	// Logger gets errors that an operator should know of. Nil discards.
	Logger *slog.Logger
}

// DefaultOptions returns the defaults given at each field.
func DefaultOptions() Options {
	return Options{
		PingInterval:   25 * time.Second,
		PingTimeout:    20 * time.Second,
		UpgradeTimeout: 10 * time.Second,
		MaxPayload:     1_000_000,
		Limits:         DefaultLimits(),
		GatherMax:      5 * time.Millisecond,
	}
}

// Validate returns all that is wrong with o, joined, or nil.
func (o Options) Validate() error {
	var errs []error
	positive := func(name string, d time.Duration) {
		if d <= 0 {
			errs = append(errs, fmt.Errorf("%s is %v: set a positive duration", name, d))
		}
	}
	positive("PingInterval", o.PingInterval)
	positive("PingTimeout", o.PingTimeout)
	positive("UpgradeTimeout", o.UpgradeTimeout)
	for name, d := range map[string]time.Duration{"PingInterval": o.PingInterval, "PingTimeout": o.PingTimeout} {
		if d%time.Millisecond != 0 {
			errs = append(errs, fmt.Errorf("%s is %v: the open packet has whole milliseconds, use those", name, d))
		}
	}
	if o.GatherMax < 0 {
		errs = append(errs, fmt.Errorf("GatherMax is %v: set zero or more", o.GatherMax))
	}
	if o.MaxPayload < 1 {
		errs = append(errs, fmt.Errorf("MaxPayload is %d: set 1 or more", o.MaxPayload))
	}
	errs = append(errs, o.Limits.Validate())
	if strings.ContainsFunc(o.SIDPrefix, func(r rune) bool {
		return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) || len(o.SIDPrefix) > 32 {
		errs = append(errs, fmt.Errorf("SIDPrefix is %q: use up to 32 letters, digits, '-' and '_'", o.SIDPrefix))
	}
	return errors.Join(errs...)
}
