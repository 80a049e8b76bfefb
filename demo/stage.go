package demo

import (
	"context"
	"fmt"
	"sync"
	"time"

	"chatbridge/bridge"
	"chatbridge/bridge/gateway"
	"chatbridge/internal/throwaway"

	"github.com/jackc/pgx/v5/pgxpool"
)

// stage is what the page shows and steers: ChatEngine's stand-in, Postgres, the bridge, and
// what happened to them. Its run does what was asked for, one thing at a time.
type stage struct {
	cluster *throwaway.Cluster
	pool    *pgxpool.Pool
	engine  *chatEngine
	traffic *Traffic
	daemon  *bridge.Daemon
	// note prints what happened on the terminal.
	note func(text string)
	// asked is what is to be done yet.
	asked chan func(context.Context) error

	mu         sync.Mutex
	happened   []happening // the newest last
	number     int         // of the newest
	restarting bool        // Postgres
	serving    gateway.State
	counts     map[string]int64 // messages of each workspace, as last read
}

// happening is one line of what happened.
type happening struct {
	Number int       `json:"number"` // from 1, without holes
	At     time.Time `json:"at"`
	Text   string    `json:"text"`
}

const (
	// keptHappenings is how many lines a page that comes later is given.
	keptHappenings = 50
	// maxAsked is how much may be asked for at a time.
	maxAsked = 8
	// pollInterval is between two questions who serves.
	pollInterval = 50 * time.Millisecond
	// countTime bounds the count of a workspace's messages.
	countTime = 2 * time.Second
	// burstSize is how many messages the button writes.
	burstSize = 500
)

// run does what is asked for.
func (s *stage) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case do := <-s.asked:
			if err := do(ctx); err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return err
			}
		}
	}
}

// watch polls who serves.
func (s *stage) watch(ctx context.Context) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			s.poll()
		}
	}
}

// happens records a line and prints it.
func (s *stage) happens(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	s.mu.Lock()
	s.number++
	s.happened = append(s.happened, happening{Number: s.number, At: time.Now(), Text: text})
	if len(s.happened) > keptHappenings {
		s.happened = s.happened[1:]
	}
	s.mu.Unlock()
	s.note(text)
}

// poll says when another serves than before.
func (s *stage) poll() {
	g := s.daemon.Snapshot().Gateway
	if g == nil {
		return
	}
	s.mu.Lock()
	before := s.serving
	s.serving = g.Status.State
	s.mu.Unlock()
	if before == g.Status.State {
		return
	}
	switch g.Status.State {
	case gateway.Local:
		s.happens("the bridge serves")
	case gateway.HandingBack:
		s.happens("clients are handed back to ChatEngine")
	case gateway.Upstream:
		s.happens("ChatEngine serves")
	}
}

// actions are what the page's buttons ask for, by the last element of the path.
var actions = map[string]func(s *stage, workspace string) func(context.Context) error{
	"kill":    func(s *stage, _ string) func(context.Context) error { return s.kill },
	"restore": func(s *stage, _ string) func(context.Context) error { return s.restore },
	"restart": func(s *stage, _ string) func(context.Context) error { return s.restart },
	"burst":   (*stage).burst,
}

// ask has something done; it is false where too much waits.
func (s *stage) ask(do func(context.Context) error) bool {
	select {
	case s.asked <- do:
		return true
	default:
		return false
	}
}

func (s *stage) kill(context.Context) error {
	if s.engine.alive() {
		s.engine.kill()
		s.happens("ChatEngine killed")
	}
	return nil
}

// restore does not end the demo where another process has taken the port.
func (s *stage) restore(context.Context) error {
	if s.engine.alive() {
		return nil
	}
	if err := s.engine.restore(); err != nil {
		s.happens("ChatEngine could not be restored, try again: %v", err)
		return nil
	}
	s.happens("ChatEngine restored")
	return nil
}

func (s *stage) restart(ctx context.Context) error {
	s.setRestarting(true)
	defer s.setRestarting(false)
	s.happens("Postgres restarts")
	began := time.Now()
	if err := s.cluster.Restart(ctx, "fast"); err != nil {
		return fmt.Errorf("restart Postgres: %w", err)
	}
	s.happens("Postgres is back after %.1f s", time.Since(began).Seconds())
	return nil
}

func (s *stage) setRestarting(restarting bool) {
	s.mu.Lock()
	s.restarting = restarting
	s.mu.Unlock()
}

func (s *stage) burst(workspace string) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := s.traffic.Burst(ctx, workspace, burstSize); err != nil {
			return err
		}
		s.happens("%d messages written for %s", burstSize, tenantName(workspace))
		return nil
	}
}

// state is what a page is told four times a second.
type state struct {
	// Serving is the gateway's state: upstream, local or handing-back.
	Serving    string `json:"serving"`
	ChatEngine bool   `json:"chatEngine"` // runs
	Postgres   bool   `json:"postgres"`   // is not being restarted
	// Messages is how many the workspace has, as last read.
	Messages int64       `json:"messages"`
	Happened []happening `json:"happened"`
}

func (s *stage) state(ctx context.Context, workspace string) state {
	ctx, cancel := context.WithTimeout(ctx, countTime)
	defer cancel()
	var n int64
	err := s.pool.QueryRow(ctx, `select count(*) from messages where workspace_id = $1`, workspace).Scan(&n)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.counts[workspace] = n
	}
	return state{
		Serving: s.serving.String(), ChatEngine: s.engine.alive(), Postgres: err == nil && !s.restarting,
		Messages: s.counts[workspace], Happened: append([]happening{}, s.happened...),
	}
}
