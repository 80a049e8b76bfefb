package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Order is an operator's order to all bridges of a cluster. The highest Version wins, among
// equals the later one.
type Order struct {
	Version uint64 `json:"-"`
	// At is when it was given, to the microsecond, By on which bridge.
	At   time.Time `json:"-"`
	By   string    `json:"by"`
	Text string    `json:"text"`
}

// rank compares as text as orders do.
func (o *Order) rank() string {
	return fmt.Sprintf("%016x%016x", o.Version, uint64(max(o.At.UnixMicro(), 0)))
}

// same tells whether two are one order: of those that were given in one moment on two
// bridges, the one that came to Redis first counts.
func (o *Order) same(other *Order) bool {
	return o.rank() == other.rank() && o.By == other.By && o.Text == other.Text
}

// ordersEvery is the interval at which the order in Redis is polled, because the notice of a
// new one may be lost.
const ordersEvery = 2 * time.Second

// Orders replicates the operator's last order to all bridges of the cluster. It is in Redis and
// in each bridge's memory, from which it is restored if Redis loses it. Its methods are safe
// for concurrent use.
type Orders struct {
	shared *Shared
	name   string
	// apply is called with each order that counts, this bridge's too, from the goroutine of
	// Run, so that the last call is that of the last; tell tells the other bridges that
	// there is one.
	apply func(o Order)
	tell  func()
	log   *slog.Logger
	wake  chan struct{}

	mu      sync.Mutex
	current Order
	failing bool
}

// NewOrders returns Orders without one. name says which bridge this is. Run must be
// called.
func NewOrders(shared *Shared, name string, apply func(Order), tell func(), log *slog.Logger) *Orders {
	return &Orders{shared: shared, name: name, apply: apply, tell: tell, log: log, wake: make(chan struct{}, 1)}
}

// Give distributes an order that this bridge has applied already. The others get it soon, or
// once Redis is back.
func (s *Orders) Give(text string) {
	s.mu.Lock()
	s.current = Order{Version: s.current.Version + 1, At: time.Now(), By: s.name, Text: text}
	s.mu.Unlock()
	s.Poll()
}

// Poll polls Redis soon, without waiting for the interval.
func (s *Orders) Poll() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Current returns the order in force, the zero Order for none.
func (s *Orders) Current() Order {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// Run keeps the order the same everywhere until ctx ends, and returns nil.
func (s *Orders) Run(ctx context.Context) error {
	tick := time.NewTicker(ordersEvery)
	defer tick.Stop()
	for obeyed := (Order{}); ; {
		s.exchange(ctx)
		if o := s.Current(); o.Version > 0 && !o.same(&obeyed) {
			obeyed = o
			s.apply(o)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-s.wake:
		}
	}
}

// orderName is the name of the order's key.
const orderName = "order"

var ordering = newScript(orderScript)

// exchange puts this bridge's order into Redis where that is the newer one, and else takes
// the one there.
func (s *Orders) exchange(ctx context.Context) {
	if s.shared.History().IsZero() {
		return // the keys' names need the database
	}
	mine := s.Current()
	rank, body := "", []byte(nil)
	if mine.Version > 0 {
		rank = mine.rank()
		body, _ = json.Marshal(mine) // nothing in it can fail
	}
	cmd, err := s.shared.run(ctx, ordering, []string{orderName}, keysFor.Milliseconds(), rank, body)
	var stored string
	if err == nil {
		stored, err = cmd.Text()
	}
	if ctx.Err() != nil {
		return
	}
	if err != nil || stored == "" || stored == "put" {
		s.note(ctx, err)
	}
	switch {
	case err != nil || stored == "":
	case stored == "put":
		s.tell()
	default:
		s.take(ctx, stored, &mine)
	}
}

// take takes an order of another bridge, unless this one was given another meanwhile.
func (s *Orders) take(ctx context.Context, stored string, mine *Order) {
	var o Order
	var at uint64
	const rankLen = 32
	if len(stored) < rankLen {
		return
	}
	if _, err := fmt.Sscanf(stored[:rankLen], "%16x%16x", &o.Version, &at); err != nil || json.Unmarshal([]byte(stored[rankLen:]), &o) != nil {
		s.note(ctx, &remedied{"what is in Redis in place of an order cannot be read", "redis-cli DEL " + keyOf(s.shared.prefix, s.shared.History(), orderName)})
		return
	}
	s.note(ctx, nil)
	o.At = time.UnixMicro(int64(at))
	if o.same(mine) {
		return
	}
	s.mu.Lock()
	given := !s.current.same(mine)
	if given {
		// An order that was given here meanwhile is the later one.
		s.current.Version = max(s.current.Version, o.Version+1)
	} else {
		s.current = o
	}
	s.mu.Unlock()
	if given {
		s.Poll()
		return
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "obeying an order that another bridge of the cluster was given",
		slog.String("order", o.Text), slog.String("by", o.By), slog.Time("at", o.At.UTC()))
}

// note logs once that orders do not reach the other bridges.
func (s *Orders) note(ctx context.Context, err error) {
	s.mu.Lock()
	fresh := err != nil && !s.failing
	s.failing = err != nil
	s.mu.Unlock()
	if fresh {
		s.log.LogAttrs(ctx, slog.LevelWarn, "orders of the operator do not reach the other bridges until Redis answers",
			slog.String("error", err.Error()), slog.String("remedy", Remedy(err)))
	}
}
