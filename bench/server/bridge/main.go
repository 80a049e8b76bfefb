// Command bridge is /api/ws of the bridge without a source of changes: the Socket.IO
// server with admission, tokens and workspaces, the Hub and its log, with the limits
// that the daemon has by default. Each room is a workspace, named as its first
// conversation without "-0"; see bench/internal/control for what is published.
package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"chatbridge/bench/internal/command"
	"chatbridge/bench/internal/control"
	"chatbridge/bench/internal/event"
	"chatbridge/bridge/api"
	"chatbridge/bridge/auth"
	"chatbridge/bridge/hub"
	"chatbridge/mapping/contract"
	"chatbridge/socketio"
	"chatbridge/socketio/engineio"
	"chatbridge/source"
)

func main() { command.Main("bridge", run) }

func run(ctx context.Context, _ []string) error {
	a, err := auth.New(auth.Options{ChatEngineSecrets: []string{control.Secret}})
	if err != nil {
		return err
	}
	filled := &refill{over: make(chan struct{})}
	if os.Getenv(control.Refill) == "" {
		filled.end()
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	o := api.Options{SocketIO: socketio.DefaultOptions(), Hub: hub.DefaultOptions(), Source: filled, ExpiryGrace: -1, Logger: log}
	o.Hub.Logger = log
	o.SocketIO.Path, o.SocketIO.Logger = "/api/ws", log
	o.SocketIO.HandshakesPerSecond, o.SocketIO.HandshakesPerAddress = 5000, 2500
	o.SocketIO.InboundPacketsPerSecond = 1000
	o.SocketIO.Recovery.MaxDisconnection = o.Hub.Replay.Window
	server, err := api.New(o, a)
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- server.Run(running) }()
	publish := newPublisher(server.Hub())
	err = control.Run(ctx, control.Server{
		Handler: server.Handler(), TLS: engineio.NewTLSListener, Publish: publish.publish, Published: filled.end,
		Queued: func() int64 { return server.SocketIO().Stats().QueuedPackets },
		Get:    http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeStats(w, server) }),
	})
	if e := server.SocketIO().Shutdown(running, socketio.ShutdownOptions{}); err == nil {
		err = e
	}
	stop()
	if e := <-ended; err == nil {
		err = e
	}
	return err
}

// publisher makes the Hub's events of the benchmark's.
type publisher struct {
	hub *hub.Hub
	// boot is the wall-clock time at which due times are zero: the same in each
	// process, to the second.
	boot   time.Time
	last   uint64 // position
	offset []byte
	body   []byte
}

func newPublisher(h *hub.Hub) *publisher {
	boot := time.Now().Add(-time.Duration(event.Now())).Round(time.Second)
	return &publisher{hub: h, boot: boot}
}

// publish gives an event a position by its due time, so that one that a later process
// publishes again has the same. One goroutine at a time calls it.
func (p *publisher) publish(e control.Event) {
	now := time.Now()
	p.last = max(e.Due, p.last+1) // two publications may run at once
	at := hub.Offset{
		Position: source.Position{Commit: p.last},
		Commit:   p.boot.Add(time.Duration(e.Due)),
	}
	p.body = event.AppendJSON(p.body[:0], e.Seq, e.Due)
	p.offset = append(hub.AppendOffset(append(p.offset[:0], '"'), at), '"')
	p.hub.Publish(&hub.Event{
		Position: at.Position, Kind: contract.Message, Commit: at.Commit,
		Workspace: []byte(control.Workspace(e.Room)), Conversation: []byte(e.Conversation()),
		Packet: socketio.NewEvent(hub.Namespace, "message", p.body, p.offset),
	}, now)
}

// refill is the source's state: caught up once the log is filled.
type refill struct {
	once sync.Once
	over chan struct{}
}

func (*refill) Standby() bool        { return false }
func (*refill) Hearing() api.Hearing { return api.Heard }

func (r *refill) CaughtUp() bool {
	select {
	case <-r.over:
		return true
	default:
		return false
	}
}

func (r *refill) end() { r.once.Do(func() { close(r.over) }) }

// writeStats answers GET /stats: what the load generator's figures do not show.
func writeStats(w http.ResponseWriter, s *api.Server) {
	h, io := s.Hub().Stats(), s.SocketIO().Stats()
	catchUps, gaps := h.ByReason()
	refusals := map[string]uint64{}
	for i, n := range io.Refusals {
		if n > 0 {
			refusals[engineio.Reason(i).String()] = n
		}
	}
	_ = json.NewEncoder(w).Encode(control.Stats{
		LockHeld: h.LockHeld, LockLongest: h.LockLongest, RoomsHeld: io.RoomsLock.Total, RoomsLongest: io.RoomsLock.Longest,
		Events: h.Replay.Events, Bytes: h.Replay.Bytes, EvictedEarly: h.Replay.EvictedEarly,
		CatchUps: catchUps, CaughtUp: h.CaughtUp, Gaps: gaps, Sockets: io.Sockets, Recovered: io.Recovered, RecoveryMissed: io.RecoveryMissed,
		Refusals: refusals, QueueHigh: io.QueueHigh, Stalls: io.Stalls, Writes: io.Writes, PacketsOut: io.PacketsOut,
	})
}
