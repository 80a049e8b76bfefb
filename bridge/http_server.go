package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"chatbridge/bridge/logging"
	"chatbridge/socketio/engineio"
)

// httpServer is an http.Server that can stop accepting before it shuts down.
type httpServer struct {
	http.Server
	ln       net.Listener
	stopping atomic.Bool   // its listener may be closed
	returned chan struct{} // closed when Serve has returned

	// descriptors bounds the connections; nil: no bound.
	descriptors *descriptors
	// heads bounds the connections without a request; nil: no bound.
	heads *heads

	mu sync.Mutex
	// fresh are the connections whose first request has not begun; settled,
	// where not nil, is closed when there is none left.
	fresh   map[net.Conn]struct{}
	settled chan struct{}
}

// newHTTPServer returns a server for a listener's connections; run runs it. bound and heads
// may be nil.
func newHTTPServer(ln net.Listener, h http.Handler, bound *descriptors, heads *heads, log *slog.Logger) *httpServer {
	s := &httpServer{ln: ln, returned: make(chan struct{}), descriptors: bound, heads: heads, fresh: make(map[net.Conn]struct{})}
	s.Server = http.Server{
		Handler: h,
		// Bounds a request's head alone: polls and proxied bodies take
		// their time.
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          logging.Library(log, slog.LevelDebug),
		ConnState:         s.track,
	}
	s.ConnContext = engineio.ConnContext
	if bound != nil {
		s.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
			return bound.mark(engineio.ConnContext(ctx, c), c)
		}
	}
	return s
}

// run serves until Shutdown or Close, and returns nil then.
func (s *httpServer) run() error {
	defer close(s.returned)
	err := s.Serve(s.ln)
	if errors.Is(err, http.ErrServerClosed) || s.stopping.Load() && errors.Is(err, net.ErrClosed) {
		return nil
	}
	return fmt.Errorf("serve %s: %w", s.ln.Addr(), err)
}

func (s *httpServer) track(c net.Conn, state http.ConnState) {
	if state == http.StateNew && s.descriptors != nil && s.descriptors.spent(c) {
		_ = c.Close() // the server finds it closed, and forgets it
	}
	switch {
	case s.heads == nil:
	case state == http.StateNew:
		s.heads.accepted(c)
	default:
		s.heads.forget(c)
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

// scarceTimeout is how long a connection of the descriptors' reserve may take to
// begin its request: the reserve is for probes, which do so at once.
const scarceTimeout = 500 * time.Millisecond

// hurry closes a connection that has not begun its request in scarceTimeout.
func (s *httpServer) hurry(c net.Conn) {
	time.AfterFunc(scarceTimeout, func() {
		s.mu.Lock()
		_, waits := s.fresh[c]
		s.mu.Unlock()
		if waits {
			s.descriptors.refuse()
			_ = c.Close()
		}
	})
}

// settleTimeout bounds the wait for the first request of a connection: browsers
// open some in advance that may never have one.
const settleTimeout = time.Second

// stopAccepting closes the listener and waits until the first request of every
// connection that was accepted has begun. http.Server.Shutdown would close
// such a connection without an answer (measured: one restart in ten lost one,
// at a connection each millisecond).
func (s *httpServer) stopAccepting(ctx context.Context) {
	s.stopping.Store(true)
	_ = s.ln.Close()
	<-s.returned // from here on, fresh has all connections
	s.mu.Lock()
	if len(s.fresh) == 0 {
		s.mu.Unlock()
		return
	}
	settled := make(chan struct{})
	s.settled = settled
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	select {
	case <-settled:
	case <-ctx.Done():
	}
}
