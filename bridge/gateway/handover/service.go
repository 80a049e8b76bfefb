package handover

import (
	"bufio"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Options configure a Service. All but Since, OwedSince, DeparturesFile and
// Logger are needed.
type Options struct {
	// Path is the Socket.IO path, without a trailing slash.
	Path string
	// Bridge serves the Socket.IO path: the bridge's own server.
	Bridge http.Handler
	// CatchUp, CatchUpWait, CatchUpLate and Fresh are the gateway's options of
	// these names.
	CatchUp, CatchUpWait, CatchUpLate time.Duration
	Fresh                             func(since time.Time) bool
	// Since, unless nil, tells how far the bridge has read, as one part of a private
	// id: see since.go.
	Since func() string
	// OwedSince returns since when a client lacks something that connects with this private
	// id and offset, zero if it lacks nothing. Nil: as LeftSince has it.
	OwedSince func(pid, offset string) time.Time
	// DeparturesFile keeps over a restart when clients were cut; empty for nowhere.
	DeparturesFile string
	// Logger gets the errors of the bridge's HTTP server and of DeparturesFile.
	Logger *slog.Logger
}

// Service starts hand-overs. Its methods are safe for concurrent use; Run is
// called once.
type Service struct {
	opts       Options
	bridge     *pipeListener
	departures *departures
	count      counters
}

// New returns a Service. Its hand-overs reach the bridge while Run runs.
func New(o Options) *Service {
	s := &Service{opts: o, bridge: newPipeListener()}
	var file *departureFile
	if o.DeparturesFile != "" {
		file = &departureFile{path: o.DeparturesFile, log: o.Logger}
	}
	s.departures = newDepartures(file)
	if s.opts.OwedSince == nil {
		s.opts.OwedSince = func(pid, _ string) time.Time { return s.LeftSince(pid) }
	}
	return s
}

// LeftSince returns from when on a client with this private id may lack what ChatEngine
// sent: somewhat before its last connection to it ended. Of an id that a gateway gave and
// this one does not know it is what Earliest says; the zero time of any other id. It comes
// from the client, and may be invented.
func (s *Service) LeftSince(pid string) time.Time { return s.departures.since(pid, time.Now()) }

// owedSince is since when the client of a CONNECT packet lacks something.
func (s *Service) owedSince(packet []byte) time.Time {
	pid, _ := member(packet, "pid")
	offset, _ := member(packet, "offset")
	if len(pid) == 0 {
		return time.Time{}
	}
	return s.opts.OwedSince(text(pid), text(offset))
}

// Run serves Options.Bridge to the hand-overs until ctx ends, and returns ctx's
// error then. Connections should have ended by then, so that it is known when.
func (s *Service) Run(ctx context.Context) error {
	server := &http.Server{
		Handler:           s.opts.Bridge,
		ReadHeaderTimeout: s.opts.CatchUpWait,
		ErrorLog:          slog.NewLogLogger(s.opts.Logger.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	keeping, end := context.WithCancel(ctx)
	var kept sync.WaitGroup
	kept.Go(func() { s.departures.run(keeping) })
	defer kept.Wait()
	defer end()
	if err := server.Serve(s.bridge); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return ctx.Err()
}

// Side is one of the two connections of a proxied WebSocket.
type Side struct {
	R     *bufio.Reader // with a buffer of at least 14 bytes
	Write func(p []byte) error
}

// Start begins the hand-over of a client whose WebSocket to ChatEngine has just
// been opened, before any frame but the open packet has passed. r is the
// client's request, header its end-to-end headers. The caller runs FromClient
// and FromUpstream, and calls Stop when both sides have ended.
func (s *Service) Start(r *http.Request, header http.Header, client, upstream Side) *Handover {
	h := &Handover{
		service: s, client: client, upstream: upstream,
		giveUpAt: time.Now().Add(s.opts.CatchUpLate),
	}
	h.batch = batch{mu: &h.mu, write: client.Write}
	h.feed = newFeed(r, header, h)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.timer = time.AfterFunc(s.opts.CatchUpLate, h.tick)
	return h
}
