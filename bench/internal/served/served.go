//go:build linux

// Package served is a server under test with its clients: what is published by the one
// and received by the others, and what that costs.
package served

import (
	"context"
	"errors"
	"time"

	"chatbridge/bench/internal/load"
	"chatbridge/bench/internal/peer"
	"chatbridge/bench/internal/proc"
)

// Session is a running server with some clients. Close it.
type Session struct {
	*peer.Process
	Clients *load.Group   // nil for none
	Took    time.Duration // to connect them
}

// Connect connects clients to a server that runs, and stops it where that fails.
func Connect(ctx context.Context, s *peer.Process, o load.Options) (*Session, error) {
	g, took, err := load.Dial(ctx, o)
	if err != nil {
		s.Stop()
		return nil, err
	}
	return &Session{s, g, took}, nil
}

// Close closes the connections and stops the server.
func (s *Session) Close() {
	if s.Clients != nil {
		s.Clients.Close()
	}
	s.Stop()
}

// Sent is what came of a publication.
type Sent struct {
	load.Result
	// Used is what the server used meanwhile.
	Used peer.Usage
}

// CPUPerMillion is the server's CPU time in seconds for a million deliveries.
func (s Sent) CPUPerMillion() float64 {
	return s.Used.CPU.Seconds() / float64(max(1, s.Deliveries)) * 1e6
}

// Busy is the share of its core that the generator used, Disturbed that of the time in
// which the server waited for its own.
func (s Sent) Busy() float64      { return s.CPU.Seconds() / max(s.Took, 1).Seconds() }
func (s Sent) Disturbed() float64 { return s.Used.Waited.Seconds() / max(s.Took, 1).Seconds() }

// Send publishes, and receives what each client of the group is to get of it; of one
// delivery in sampleEvery the latency is taken. What is lost is no error.
func (s *Session) Send(ctx context.Context, g *load.Group, p peer.Publication, each, sampleEvery int) (Sent, error) {
	before, err := s.Usage()
	if err != nil {
		return Sent{}, err
	}
	published := make(chan struct{})
	var publishErr error
	go func() {
		defer close(published)
		_, publishErr = s.Publish(ctx, p)
	}()
	r, err := g.Receive(ctx, each, sampleEvery, published)
	if ctx.Err() == nil || err == nil {
		<-published
		err = errors.Join(err, publishErr)
	}
	after, usageErr := s.Usage()
	return Sent{r, after.Since(before)}, errors.Join(err, usageErr)
}

// SettledRSS is the memory of the server's process, in kB, once it has given back what it
// does not need. Its clients are idle for settle, twice.
func (s *Session) SettledRSS(ctx context.Context, settle time.Duration) (int, error) {
	for range 2 { // finalizers and pools need two collections
		if err := s.Collect(ctx); err != nil {
			return 0, err
		}
		if err := s.Clients.Idle(ctx, settle); err != nil {
			return 0, err
		}
	}
	return proc.Memory(s.PID(), "VmRSS")
}
