package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// server is an http.Server that can stop accepting before it shuts down.
type server struct {
	http.Server
	returned chan struct{} // closed when Serve has

	// descriptors bounds the connections; nil does not.
	descriptors *descriptors

	mu sync.Mutex
	// fresh are the connections whose first request has not begun; settled,
	// where not nil, is closed when there is none left.
	fresh   map[net.Conn]struct{}
	settled chan struct{}
}

// serve serves a listener in the group until its Shutdown.
func (d *Daemon) serve(group *errgroup.Group, ln net.Listener, h http.Handler, bound *descriptors) *server {
	s := &server{returned: make(chan struct{}), descriptors: bound, fresh: make(map[net.Conn]struct{})}
	s.Server = http.Server{
		Handler: h,
		// Bounds a request's head alone: polls and proxied bodies take
		// their time.
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
		ConnState:         s.track,
	}
	if bound != nil {
		s.ConnContext = bound.mark
	}
	group.Go(func() error {
		defer close(s.returned)
		err := s.Serve(ln)
		if ended := d.ending.Load() && errors.Is(err, net.ErrClosed); !ended && !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve %s: %w", ln.Addr(), err)
		}
		return nil
	})
	return s
}

func (s *server) track(c net.Conn, state http.ConnState) {
	if state == http.StateNew && s.descriptors != nil && s.descriptors.spent(c) {
		_ = c.Close() // the server finds it closed, and lets it go
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if state == http.StateNew {
		s.fresh[c] = struct{}{}
		if s.descriptors != nil && s.descriptors.scarce(c) {
			s.hurry(c)
		}
		return
	}
	delete(s.fresh, c)
	if s.settled != nil && len(s.fresh) == 0 {
		close(s.settled)
		s.settled = nil
	}
}

// scarceTime is how long a connection of the descriptors' reserve may take to
// begin its request: the reserve is for probes, which do so at once.
const scarceTime = 500 * time.Millisecond

// hurry closes a connection that has not begun its request in scarceTime.
func (s *server) hurry(c net.Conn) {
	time.AfterFunc(scarceTime, func() {
		s.mu.Lock()
		_, waits := s.fresh[c]
		s.mu.Unlock()
		if waits {
			s.descriptors.refuse()
			_ = c.Close()
		}
	})
}

// settleTime bounds the wait for the first request of a connection: browsers
// open some in advance that may never have one.
const settleTime = time.Second

// stopAccepting closes the listener and waits until the first request of every
// connection that was accepted has begun. http.Server.Shutdown would close
// such a connection without an answer (measured: one restart in ten lost one,
// at a connection each millisecond).
func (s *server) stopAccepting(ctx context.Context, ln net.Listener) {
	_ = ln.Close()
	<-s.returned // from here on, fresh knows of all
	s.mu.Lock()
	if len(s.fresh) == 0 {
		s.mu.Unlock()
		return
	}
	settled := make(chan struct{})
	s.settled = settled
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	select {
	case <-settled:
	case <-ctx.Done():
	}
}
