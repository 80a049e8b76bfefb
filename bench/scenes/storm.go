//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chatbridge/bench/internal/control"
	"chatbridge/bench/internal/load"
	"chatbridge/bench/internal/peer"
	"chatbridge/bench/internal/proc"
	"chatbridge/bench/internal/results"
	"chatbridge/bench/internal/served"
)

const (
	stormRoom   = 20 // clients of a workspace
	stormSubs   = 3
	stormMissed = 200         // events of each workspace
	stormRetry  = time.Second // reconnectionDelay of the CRM's client
	// stormLimit is when those who are not live are given up.
	stormLimit = 5 * time.Minute
	// awayRate is in events a second while nobody is there.
	awayRate = 20_000
	// awayFrom is the number of the first event that is missed.
	awayFrom = 1_000_000

	othersRooms = 20
	othersRate  = 200
)

var stormScene = scene{
	name: "storm", title: "Everybody comes back", clients: 20_000, duration: 5 * time.Second,
	about: func(p plan) string {
		return fmt.Sprintf("%d clients of workspaces of %d come back within %v, each with %d subscriptions and %d events to catch up on. "+
			"They have lost their connections; or the server was killed, and they come to another one that was fed the same events; or it was killed, "+
			"and a new one fills its log first. The latter two only the bridge can do (Node's recovery is in its memory). %d others have stayed and get %d events a second together. "+
			"Steady memory is that once all are live, after a garbage collection.",
			p.clients, stormRoom, p.duration, stormSubs, stormMissed, newStorm(p).others.clients, othersRate)
	},
	measure: measureStorm,
	asked:   stormAsked(),
	without: func(p peer.Peer) bool { return p.Bare },
}

func stormAsked() map[string]results.Asked {
	asked := map[string]results.Asked{}
	for _, suffix := range []string{", connections lost", ", after a failover"} { // a restart leaves no others
		asked["others' p99, meanwhile ÷ before"+suffix] = results.Asked{Most: 3}
	}
	for _, suffix := range []string{", connections lost", ", after a failover", ", after a restart"} {
		all := results.Asked{Most: 0.25, Of: []string{"node"}, Figure: "all live after, s, connections lost"}
		asked["longest wait of a client, s"+suffix] = results.Asked{Most: 10}
		asked["RSS peak ÷ steady"+suffix] = results.Asked{Most: 1.5}
		asked["all live after, s"+suffix] = all
	}
	return asked
}

// storm is who takes part in it.
type storm struct {
	back, others *audience
	greetings    peer.Publication
	away         peer.Publication
	sessions     []load.Session
	within       time.Duration // in which they come back
}

func newStorm(p plan) *storm {
	rooms := max(1, p.clients/stormRoom)
	s := &storm{within: p.duration, back: &audience{clients: rooms * stormRoom, rooms: rooms, subs: stormSubs}}
	// Beside the others, so that the limit of files is for both.
	s.others = &audience{clients: 5 * othersRooms, rooms: othersRooms, first: rooms, subs: 1}
	if s.back.clients+s.others.clients > p.clients && rooms > 5 {
		s.back.rooms -= s.others.clients / stormRoom
		s.back.clients = s.back.rooms * stormRoom
	}
	return s
}

func measureStorm(ctx context.Context, p plan, server peer.Peer, r *recorder) error {
	st := newStorm(p)
	s, err := st.prepare(ctx, server)
	if err != nil {
		return err
	}
	defer s.Close()
	err = st.beside(ctx, server, s, r, ", connections lost", func() error { return st.cut(ctx, s) }, func() error {
		return st.comeBack(ctx, p, server, s, r, ", connections lost", time.Now())
	})
	if err != nil || server.Name == "node" {
		return err
	}
	spare, err := st.spare(ctx, server)
	if err != nil {
		return err
	}
	defer spare.Close()
	if err := st.afterFailover(ctx, p, server, s, spare, r); err != nil {
		return err
	}
	return st.afterRestart(ctx, p, server, spare, r)
}

// beside measures what the others, who stay on a server, notice of clients that lose
// their connections and come back to it.
func (st *storm) beside(ctx context.Context, server peer.Peer, s *session, r *recorder, suffix string, lose, comeBack func() error) error {
	others, err := st.connectOthers(ctx, server, s)
	if err != nil {
		return err
	}
	defer others.Close()
	events := int(othersRate*st.within.Seconds()) / othersRooms * othersRooms
	quiet, err := s.sendTo(ctx, others, peer.Publication{
		Count: events, Rate: othersRate, Rooms: othersRooms, First: st.others.first, Subs: 1, Paced: true,
	}, events/othersRooms, 1)
	if err != nil {
		return fmt.Errorf("others before: %w", err)
	}
	if err := lose(); err != nil {
		return err
	}
	if err := proc.ResetPeak(s.PID()); err != nil {
		return err
	}
	heard := st.listen(ctx, s, others)
	err = comeBack()
	during, listenErr := heard()
	if err := errors.Join(err, listenErr); err != nil {
		return err
	}
	before, then := ms(quiet.Latency.Quantile(0.99)), ms(during.Latency.Quantile(0.99))
	r.add("others that were disconnected"+suffix, float64(during.Ended))
	r.add("others' p99 ms before"+suffix, before)
	r.add("others' p99 ms meanwhile"+suffix, then)
	r.add("others' p99, meanwhile ÷ before"+suffix, then/max(before, 0.001))
	return nil
}

// prepare starts a server with the clients that are to go and come back, each of which
// has had an event of each conversation.
func (st *storm) prepare(ctx context.Context, server peer.Peer) (*session, error) {
	s, err := peer.Start(ctx, server, peer.Options{Cores: peer.ServerCore, Env: []string{control.Recover + "=1"}})
	if err != nil {
		return nil, err
	}
	o, err := st.back.options(server, s)
	if err != nil {
		s.Stop()
		return nil, err
	}
	o.Remember, o.Retry, o.Within = true, stormRetry, paced(o.Clients)
	opened, err := opened(ctx, s, o)
	if err != nil {
		return nil, err
	}
	st.greetings = peer.Publication{
		Count: st.back.rooms * stormSubs, Rate: awayRate, Rooms: st.back.rooms, Subs: stormSubs, More: true,
	}
	published := make(chan struct{})
	var publishErr error
	go func() {
		defer close(published)
		st.greetings.Origin, publishErr = opened.Publish(ctx, st.greetings)
	}()
	got, err := opened.Clients.Receive(ctx, stormSubs, 1, published)
	<-published
	if err == nil && got.Lost > 0 {
		err = fmt.Errorf("%d of the first events are lost", got.Lost)
	}
	if err := errors.Join(err, publishErr); err != nil {
		opened.Close()
		return nil, err
	}
	return opened, nil
}

// connectOthers connects those who stay.
func (st *storm) connectOthers(ctx context.Context, server peer.Peer, s *session) (*load.Group, error) {
	o, err := st.others.options(server, s.Process)
	if err != nil {
		return nil, err
	}
	g, _, err := load.Dial(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("connect the others: %w", err)
	}
	return g, g.Idle(ctx, settle)
}

// cut ends the clients' connections and publishes what they miss.
func (st *storm) cut(ctx context.Context, s *session) (err error) {
	st.sessions = s.Clients.Sessions()
	for _, of := range st.sessions {
		if of.PID == "" || of.Offset == "" {
			return fmt.Errorf("a client has private id %q and offset %q: there is nothing to recover by", of.PID, of.Offset)
		}
	}
	s.Clients.Close()
	s.Clients = nil
	st.away = peer.Publication{
		Count: st.back.rooms * stormMissed, Rate: awayRate, Rooms: st.back.rooms, Subs: stormSubs, From: awayFrom / st.back.rooms * st.back.rooms,
	}
	st.away.Origin, err = s.Publish(ctx, st.away)
	return err
}

// listen has the others receive events until it is called back.
func (st *storm) listen(ctx context.Context, s *session, others *load.Group) (heard func() (load.Result, error)) {
	publishing, stop := context.WithCancel(ctx)
	done, ended := make(chan struct{}), make(chan struct{}, 2)
	go func() {
		// It ends with its context.
		_, _ = s.Publish(publishing, peer.Publication{
			Count: othersRate * int(2*stormLimit.Seconds()), Rate: othersRate, Rooms: othersRooms, First: st.others.first, Subs: 1, Paced: true,
		})
		ended <- struct{}{}
	}()
	var r load.Result
	var err error
	go func() {
		r, err = others.Listen(ctx, 1, done)
		ended <- struct{}{}
	}()
	return func() (load.Result, error) {
		close(done)
		stop()
		<-ended
		<-ended
		return r, err
	}
}

// comeBack has the clients come back to a server, which is on its way since a time.
func (st *storm) comeBack(ctx context.Context, p plan, server peer.Peer, s *session, r *recorder, suffix string, since time.Time) error {
	o, err := st.back.options(server, s.Process)
	if err != nil {
		return err
	}
	who := o.Client
	o.Client = func(i int) load.Client {
		c, of := who(i), st.sessions[i]
		c.Auth = fmt.Sprintf(`{"token":"%s","pid":"%s","offset":"%s"}`, st.back.tokens[i], of.PID, of.Offset)
		return c
	}
	o.Within, o.Retry, o.InFlight = st.within, stormRetry, st.back.clients
	before, err := s.Usage()
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, stormLimit)
	defer cancel()
	var g *load.Group
	var got load.Returned
	err = s.profiled(ctx, st.within, p.profileFile(server, "cpu-storm"+suffix+".pprof"), func() (err error) {
		g, got, err = load.Return(limited, o, load.Missed{From: uint64(st.away.From), Every: uint64(st.back.rooms), Count: stormMissed})
		return err
	})
	if err != nil {
		return err
	}
	s.Clients = g
	took := time.Since(since)
	after, err := s.Usage()
	if err != nil {
		return err
	}
	peak, err := proc.Memory(s.PID(), "VmHWM")
	if err != nil {
		return err
	}
	if err := s.Collect(ctx); err != nil {
		return err
	}
	// One that disconnects some again, which is an error here, is measured all the same.
	if err := g.Idle(ctx, settle); ctx.Err() != nil {
		return err
	}
	steady, err := proc.Memory(s.PID(), "VmRSS")
	if err != nil {
		return err
	}
	used := after.Since(before)
	r.add("all live after, s"+suffix, took.Seconds())
	r.add("longest wait of a client, s"+suffix, got.Longest.Seconds())
	r.add("wait p50, ms"+suffix, ms(got.Waits.Quantile(0.5)))
	r.add("clients that were given up"+suffix, float64(got.Short))
	r.add("clients that were disconnected again"+suffix, float64(got.Ended))
	r.add("attempts that failed"+suffix, float64(got.Retries))
	r.add("events sent beside those missed"+suffix, float64(got.Extra))
	r.add("gaps told of"+suffix, float64(got.Gaps))
	r.add("CPU s"+suffix, used.CPU.Seconds())
	r.add("RSS peak, MB"+suffix, float64(peak)/1000)
	r.add("RSS steady, MB"+suffix, float64(steady)/1000)
	r.add("RSS peak ÷ steady"+suffix, float64(peak)/float64(steady))
	r.add("disturbed, %"+suffix, 100*used.Waited.Seconds()/took.Seconds())
	note("  all live after %v, longest wait %v, %d short, %d retries, %d extra, %d gaps; %.1f CPU s, RSS %d of %d kB, disturbed %.0f %%",
		took, got.Longest, got.Short, got.Retries, got.Extra, got.Gaps, used.CPU.Seconds(), peak, steady, 100*used.Waited.Seconds()/took.Seconds())
	if stats, err := s.stats(ctx, server); err != nil {
		return err
	} else if stats != nil {
		r.add("Hub's lock: longest, ms"+suffix, ms(stats.LockLongest))
		note("  %+v", *stats)
	}
	return nil
}

// spare starts another server that has what the first one published in its log, as one
// that follows the same database has, or an edge of the same cluster.
func (st *storm) spare(ctx context.Context, server peer.Peer) (*session, error) {
	process, err := peer.Start(ctx, server, peer.Options{Cores: peer.ServerCore})
	if err != nil {
		return nil, err
	}
	s := &session{&served.Session{Process: process}}
	for _, p := range []peer.Publication{st.greetings, st.away} {
		if _, err := s.Publish(ctx, p); err != nil {
			s.Close()
			return nil, fmt.Errorf("fill the spare's log: %w", err)
		}
	}
	return s, nil
}

// afterFailover kills the server, and its clients come to the spare, which has some of
// its own. They claim what they claimed before.
func (st *storm) afterFailover(ctx context.Context, p plan, server peer.Peer, old, spare *session, r *recorder) error {
	const suffix = ", after a failover"
	var since time.Time
	return st.beside(ctx, server, spare, r, suffix, func() error {
		old.Stop()
		old.Clients.Close()
		old.Clients = nil
		since = time.Now()
		return nil
	}, func() error { return st.comeBack(ctx, p, server, spare, r, suffix, since) })
}

// afterRestart kills the server and starts another one, which fills its log while the
// clients come back already. They claim what they claimed before: the server was killed
// when they were cut, and what they miss was committed while there was none.
func (st *storm) afterRestart(ctx context.Context, p plan, server peer.Peer, old *session, r *recorder) error {
	old.Clients.Close()
	old.Clients = nil
	old.Stop()
	since := time.Now()
	process, err := peer.Start(ctx, server, peer.Options{Cores: peer.ServerCore, Env: []string{control.Refill + "=1"}})
	if err != nil {
		return err
	}
	s := &session{&served.Session{Process: process}}
	defer s.Close()
	filled := make(chan error, 1)
	go func() {
		_, err := s.Publish(ctx, st.greetings)
		if err == nil {
			_, err = s.Publish(ctx, st.away)
		}
		note("  log filled after %v", time.Since(since))
		filled <- err
	}()
	err = st.comeBack(ctx, p, server, s, r, ", after a restart", since)
	return errors.Join(err, <-filled)
}
