package engineio

import (
	"errors"
	"fmt"
	"time"
)

// Limits bound what one client, or all of them, may use. A client that exceeds one is
// refused or closed, with a counted [Reason]. They may be changed while the server
// runs ([Server.SetLimits]).
type Limits struct {
	// MaxConnections bounds the sessions open at once. Default 20,000; zero is
	// no bound. A handshake past it gets 503.
	MaxConnections int
	// MaxConnectionsPerAddress bounds them for one client address: one of IPv4, or a
	// /64 of IPv6. Default zero: no bound, because behind a proxy all clients share
	// one address.
	MaxConnectionsPerAddress int
	// MaxUnauthenticated bounds the sessions that are not Authenticated (see
	// [Session.SetStanding]). Default zero: no bound, for applications that do not
	// set a standing. A handshake past it closes the oldest anonymous session; where
	// there is none it gets 503.
	MaxUnauthenticated int
	// MaxUnauthenticatedPerAddress bounds them for one client address. Default zero:
	// no bound. A handshake past it gets 503.
	MaxUnauthenticatedPerAddress int
	// HandshakesPerSecond bounds the rate of handshakes. Default 10,000; zero is
	// no bound. A handshake past it gets 503. A quarter of it is for addresses with
	// an authenticated session, now or in the last ten minutes.
	HandshakesPerSecond int
	// HandshakesPerAddress bounds the rate for one client address. Default zero: no
	// bound. A handshake past it gets 503 and does not count for the others.
	HandshakesPerAddress int
	// InboundPacketsPerSecond bounds the packets of one session, with a burst of
	// the same number. Default 500; zero is no bound.
	InboundPacketsPerSecond int

	// QueuePackets and QueueBytes bound what waits to be written to one session.
	// Defaults 4,096 packets and 8 MiB. A session past either is closed.
	QueuePackets int
	QueueBytes   int
	// WriteTimeout is how long a client may take nothing of what is written to it
	// before the session is closed: on Linux, acknowledge no byte; elsewhere, and by
	// polling without [ConnContext], leave the kernel no room for the next 32 kB or
	// the poll's answer. Default 10 s.
	WriteTimeout time.Duration
}

// DefaultLimits returns the defaults given at each field.
func DefaultLimits() Limits {
	return Limits{
		MaxConnections:          20_000,
		HandshakesPerSecond:     10_000,
		InboundPacketsPerSecond: 500,
		QueuePackets:            4096,
		QueueBytes:              8 << 20,
		WriteTimeout:            10 * time.Second,
	}
}

// Validate returns all that is wrong with l, joined, or nil.
func (l Limits) Validate() error {
	var errs []error
	for _, f := range []struct {
		name       string
		value, min int
	}{
		{"MaxConnections", l.MaxConnections, 0},
		{"MaxConnectionsPerAddress", l.MaxConnectionsPerAddress, 0},
		{"MaxUnauthenticated", l.MaxUnauthenticated, 0},
		{"MaxUnauthenticatedPerAddress", l.MaxUnauthenticatedPerAddress, 0},
		{"HandshakesPerSecond", l.HandshakesPerSecond, 0},
		{"HandshakesPerAddress", l.HandshakesPerAddress, 0},
		{"InboundPacketsPerSecond", l.InboundPacketsPerSecond, 0},
		{"QueuePackets", l.QueuePackets, 1},
		{"QueueBytes", l.QueueBytes, 1},
	} {
		if f.value < f.min {
			errs = append(errs, fmt.Errorf("%s is %d: set %d or more", f.name, f.value, f.min))
		}
	}
	if l.WriteTimeout <= 0 {
		errs = append(errs, fmt.Errorf("WriteTimeout is %v: set a positive duration", l.WriteTimeout))
	}
	return errors.Join(errs...)
}

// SetLimits changes the limits of a running server, for all sessions. Sessions past
// a lowered MaxConnections stay. The error says what is wrong with l; the limits are
// as before then.
func (s *Server) SetLimits(l Limits) error {
	if err := l.Validate(); err != nil {
		return err
	}
	s.limits.Store(&l)
	return nil
}
