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
	// logger.
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
	// MaxRooms bounds the rooms of one socket, its own not counted. Join past it
	// returns [ErrTooManyRooms]. Default 1,000; zero is no bound.
	MaxRooms int
	// OnQueueFull decides what becomes of a socket whose outbound queue has no
	// room for p. True: p is left out and the socket lives on, for the application
	// to send it what it missed. False, or no callback: the connection is closed
	// with a counted reason. It is called on the goroutine that sends, before Send
	// or Broadcast returns and with no lock held, so it may call any method.
	OnQueueFull func(s *Socket, p *Packet) bool
	// Recovery configures connection-state recovery. Off by default.
	Recovery Recovery
}

// Recovery configures connection-state recovery: a client that lost its
// connection gets its socket id, its rooms and what it missed.
type Recovery struct {
	// Enabled gives each socket a private id (pid) and each recoverable packet an
	// offset, its last argument.
	Enabled bool
	// MaxDisconnection is how long the session of a client that went away is
	// kept. Default 2 minutes.
	MaxDisconnection time.Duration
	// MaxSessions bounds the kept sessions; past it the oldest goes. Default
	// 20,000.
	MaxSessions int
	// MaxPackets and MaxBytes bound the packets kept by each namespace for
	// replay; past them the oldest go, and a client whose offset went with them
	// starts anew. Defaults 10,000 and 64 MiB. Not used when External.
	MaxPackets int
	MaxBytes   int
	// External leaves packets to the application: the server keeps sessions
	// alone, adds no offset and replays nothing. After a restored CONNECT the
	// application finds [Socket.Recovered], [Socket.Offset] and
	// [Socket.SavedRooms], joins rooms and sends what was missed itself.
	External bool
	// Validate has the last word on whether a session is restored: data is what
	// OnAuth returned for the new connection, saved what it had returned for the
	// old one, offset what the client gave. Nil accepts; without an OnAuth hook
	// both are nil.
	Validate func(data, saved any, offset string) bool
}

// DefaultOptions returns the defaults given at each field.
func DefaultOptions() Options {
	return Options{
		Options:        engineio.DefaultOptions(),
		Path:           "/socket.io",
		ConnectTimeout: 45 * time.Second,
		MaxAttachments: 10,
		MaxRooms:       1000,
		Recovery: Recovery{
			MaxDisconnection: 2 * time.Minute,
			MaxSessions:      20_000,
			MaxPackets:       10_000,
			MaxBytes:         64 << 20,
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
	if r := o.Recovery; r.Enabled {
		if r.MaxDisconnection <= 0 || r.MaxSessions <= 0 {
			errs = append(errs, errors.New("Recovery.MaxDisconnection and MaxSessions: set positive values"))
		}
		if !r.External && (r.MaxPackets <= 0 || r.MaxBytes <= 0) {
			errs = append(errs, errors.New("Recovery.MaxPackets and MaxBytes: set positive values"))
		}
	}
	return errors.Join(errs...)
}
