package socketio

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"chatbridge/socketio/engineio"
)

// Options configures a [Server]. Start from [DefaultOptions].
type Options struct {
	// Options are those of the transports: heartbeat, sizes, origins, limits,
	// logger. A client is Authenticated once it is in a namespace. Until then it may
	// send one packet at a time, a CONNECT of 32 kB, to be finished in 5 s; there may
	// be 5,000 such connections, 2,500 of one address.
	engineio.Options

	// Path is where the server answers, with and without a trailing slash.
	// Default "/socket.io". Requests for other paths get 404.
	Path string
	// ConnectTimeout closes a connection that has joined no namespace by then.
	// Default 45 s.
	ConnectTimeout time.Duration
	// MaxAttachments bounds the binary attachments of one inbound packet. Default
	// 10. Together with it they may have twice MaxPayload bytes.
	MaxAttachments int
	// MaxRooms bounds the rooms of one socket, without that of its id. Join past it
	// returns [ErrTooManyRooms]. Default 1,000; zero is no bound.
	MaxRooms int
	// OnQueueFull is called for a socket whose outbound queue has no room for p. If
	// it returns true, p is not queued and the socket stays connected; the
	// application sends it later what it missed. If it returns false, or is nil, the
	// connection is closed with a counted reason. It is called on the goroutine that
	// sends, before Send or Broadcast returns and with no lock held, so it may call
	// any method.
	OnQueueFull func(s *Socket, p *Packet) bool
	// Recovery configures connection-state recovery. Off by default.
	Recovery Recovery
}

// Recovery configures connection-state recovery: a client that comes back after it
// lost its connection gets its socket id again. The server keeps sessions, not
// packets: the application puts an offset, a string, behind the arguments of its
// events, and after a restored CONNECT finds [Socket.Recovered] and
// [Socket.Offset], joins the rooms and sends what the client missed.
type Recovery struct {
	// Enabled gives each socket a private id (pid), by which its client asks for
	// the session when it comes back.
	Enabled bool
	// MaxDisconnection is how long the session of a disconnected client is saved.
	// Default 2 minutes.
	MaxDisconnection time.Duration
	// MaxSessions bounds the saved sessions; past it the oldest is removed. Default
	// 20,000.
	MaxSessions int
	// Owner reports whether a session is this client's, with the arguments of
	// Validate. One that is not is saved for its owner. Nil takes everybody for it.
	Owner func(data, saved any, offset string) bool
	// Validate reports whether the owner's session may be restored, and is asked
	// once about a session: data is what OnAuth
	// returned for the new connection, saved what it had returned for the old one,
	// offset what the client sent. Nil allows all; without an OnAuth hook both are
	// nil.
	Validate func(data, saved any, offset string) bool
	// Elsewhere reports whether the session of a private id, which another server gave, may
	// be restored here, with the id of its socket: where no session of that id is saved
	// here, or Validate has refused it. It is called on the goroutine of OnAuth, after it,
	// and may wait; data is what OnAuth returned. Nil restores none.
	Elsewhere func(data any, pid, offset string) (id string, ok bool)
	// Tag returns what is put at the end of a new private id, after a dot, so that
	// the client brings it when it comes back to whichever server: letters, digits,
	// -, _ and dots alone. data is what OnAuth returned. "" and nil put nothing.
	Tag func(data any) string
}

// DefaultOptions returns the defaults given at each field.
func DefaultOptions() Options {
	transports := engineio.DefaultOptions()
	transports.UnauthenticatedPayload = 32 << 10
	transports.UnauthenticatedTimeout = 5 * time.Second
	transports.MaxUnauthenticated = 5000
	transports.MaxUnauthenticatedPerAddress = 2500
	return Options{
		Options:        transports,
		Path:           "/socket.io",
		ConnectTimeout: 45 * time.Second,
		MaxAttachments: 10,
		MaxRooms:       1000,
		Recovery: Recovery{
			MaxDisconnection: 2 * time.Minute,
			MaxSessions:      20_000,
		},
	}
}

// Validate returns all that is wrong with o, joined, or nil.
func (o Options) Validate() error {
	errs := []error{o.Options.Validate()}
	if !strings.HasPrefix(o.Path, "/") {
		errs = append(errs, fmt.Errorf("path %q: begin it with a slash", o.Path))
	}
	if o.ConnectTimeout <= 0 {
		errs = append(errs, fmt.Errorf("ConnectTimeout is %v: set a positive duration", o.ConnectTimeout))
	}
	if o.MaxAttachments < 0 || o.MaxRooms < 0 {
		errs = append(errs, errors.New("MaxAttachments and MaxRooms: set zero or more"))
	}
	if r := o.Recovery; r.Enabled && (r.MaxDisconnection <= 0 || r.MaxSessions <= 0) {
		errs = append(errs, errors.New("Recovery.MaxDisconnection and MaxSessions: set positive values"))
	}
	return errors.Join(errs...)
}
