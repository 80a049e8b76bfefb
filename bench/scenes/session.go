//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"chatbridge/bench/internal/control"
	"chatbridge/bench/internal/event"
	"chatbridge/bench/internal/load"
	"chatbridge/bench/internal/peer"
	"chatbridge/bench/internal/served"
	"chatbridge/bridge/auth"
)

// session is a running server with some clients.
type session struct{ *served.Session }

// audience are clients in rooms: client i is in room First + i modulo Rooms, and
// subscribes to all of its Subs conversations.
type audience struct {
	clients, rooms, first, subs int
	tokens                      []string // by client, see sign
}

// perRoom is how many clients a room has, whose number divides that of all.
func (a audience) perRoom() int { return a.clients / a.rooms }

// inFlight is how many handshakes are under way at a time.
const inFlight = 100

// options are those of the audience's connections to a server.
func (a *audience) options(server peer.Peer, s *peer.Process) (load.Options, error) {
	o := load.Options{
		Addr: s.Addr, Path: peer.Path, Bare: server.Bare, Clients: a.clients, InFlight: min(inFlight, a.clients), Spread: true,
		Prefix: `42["message"`, Hello: server.Hello,
	}
	if server.Hello != "" {
		o.Prefix, o.Parse = `{"push":`, event.ParseArgument
	}
	if server.Bare {
		o.Client = func(i int) load.Client { return load.Client{Path: fmt.Sprintf("%s&room=%d", peer.Path, a.room(i))} }
		return o, nil
	}
	if err := a.sign(); err != nil {
		return o, err
	}
	o.Client = func(i int) load.Client {
		c := load.Client{Auth: `{"token":"` + a.tokens[i] + `"}`}
		for sub := range a.subs {
			c.Subscribe = append(c.Subscribe, control.Conversation(a.room(i), sub))
		}
		return c
	}
	return o, nil
}

func (a *audience) room(i int) int { return a.first + i%a.rooms }

// sign makes each client's token, once.
func (a *audience) sign() error {
	if a.tokens != nil {
		return nil
	}
	now := time.Now()
	for i := range a.clients {
		token, err := auth.Sign(control.Secret, control.Workspace(a.room(i)), fmt.Sprintf("user-%d", i), "", "", now, 24*time.Hour)
		if err != nil {
			return err
		}
		a.tokens = append(a.tokens, token)
	}
	return nil
}

// open starts a server and connects an audience.
func open(ctx context.Context, server peer.Peer, a *audience, o peer.Options) (*session, error) {
	s, err := peer.Start(ctx, server, o)
	if err != nil {
		return nil, err
	}
	connect, err := a.options(server, s)
	if err != nil {
		s.Stop()
		return nil, err
	}
	connect.Within = paced(connect.Clients)
	return opened(ctx, s, connect)
}

// handshakes are how many a second are begun before the measuring begins: fewer than
// the bridge takes by default, so that its limit keeps nobody away.
const handshakes = 4000

// paced is over how long the handshakes of clients are begun.
func paced(clients int) time.Duration { return time.Duration(clients) * time.Second / handshakes }

// opened connects clients to a server that runs, and stops it where that fails.
func opened(ctx context.Context, process *peer.Process, o load.Options) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	s, err := served.Connect(ctx, process, o)
	if err != nil {
		return nil, err
	}
	if err := s.Clients.Idle(ctx, settle); err != nil {
		s.Close()
		return nil, err
	}
	return &session{s}, nil
}

// settle is longer than the bridge waits for a first subscription; then its clients
// are live.
const settle = 700 * time.Millisecond

// send publishes to an audience, all of which is in clients, and receives it.
func (s *session) send(ctx context.Context, a *audience, rate float64, d time.Duration, sampleEvery int) (served.Sent, error) {
	// The same number to each room and conversation.
	turn := a.rooms * max(a.subs, 1)
	events := max(1, int(rate*d.Seconds())/turn) * turn
	return s.sendTo(ctx, s.Clients, peer.Publication{
		Count: events, Rate: rate, Rooms: a.rooms, First: a.first, Subs: a.subs, Paced: true,
	}, events/a.rooms, sampleEvery)
}

// sendTo publishes, and receives what each client of the group is to get of it.
func (s *session) sendTo(ctx context.Context, g *load.Group, p peer.Publication, each, sampleEvery int) (served.Sent, error) {
	r, err := s.Send(ctx, g, p, each, sampleEvery)
	if err == nil && r.Lost > 0 {
		err = fmt.Errorf("%d of %d deliveries lost at %g events a second", r.Lost, r.Lost+r.Deliveries, p.Rate)
	}
	return r, err
}

// stats are those of the bridge, nil of another server.
func (s *session) stats(ctx context.Context, server peer.Peer) (*control.Stats, error) {
	if server.Name != "bridge" {
		return nil, nil
	}
	b, err := s.Get(ctx, "/stats")
	if err != nil {
		return nil, err
	}
	stats := new(control.Stats)
	return stats, json.Unmarshal(b, stats)
}

// profiled is f with a CPU profile of the server taken meanwhile, where file is not "".
func (s *session) profiled(ctx context.Context, d time.Duration, file string, f func() error) error {
	if file == "" {
		return f()
	}
	done := make(chan error, 1)
	go func() { done <- s.Profile(ctx, max(d.Truncate(time.Second), time.Second), file) }()
	return errors.Join(f(), <-done)
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
