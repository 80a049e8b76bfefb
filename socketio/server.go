package socketio

import (
	"context"
	"net/http"
	"time"
)

// Server is a Socket.IO server, an http.Handler.
type Server struct{ opts Options }

// New returns a server; the error names what is wrong with o.
func New(o Options) (*Server, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	return &Server{opts: o}, nil
}

// ServeHTTP serves Options.Path, with and without a trailing slash.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {}

// Namespace returns the namespace of that name ("/", "/custom"), and creates it
// at the first call. Clients that ask for one never created are told "Invalid
// namespace". A missing leading slash is added.
func (s *Server) Namespace(name string) *Namespace { return nil }

// Stats returns a snapshot of the counters.
func (s *Server) Stats() Stats { return Stats{} }

// ShutdownOptions paces [Server.Shutdown].
type ShutdownOptions struct {
	// Batch connections, chosen at random, are closed at a time. Zero or less
	// closes all at once.
	Batch int
	// Interval is the pause between batches.
	Interval time.Duration
}

// Shutdown refuses new handshakes with 503, closes the transports in batches
// without a DISCONNECT packet, so that the clients come back elsewhere, and
// waits for every goroutine of the server. When ctx ends first, the rest is
// closed at once and ctx's error is returned after they have ended. Repeated
// calls wait for the same end.
func (s *Server) Shutdown(ctx context.Context, o ShutdownOptions) error { return nil }

// CloseSome closes the transports of up to n connections chosen at random and
// returns how many; their clients come back by themselves.
func (s *Server) CloseSome(n int, reason Reason) int { return 0 }

// Len returns the number of open connections.
func (s *Server) Len() int { return 0 }
