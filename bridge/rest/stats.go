package rest

import (
	"maps"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Stats counts what a Handler did since its start.
type Stats struct {
	// Requests are those that were answered, by route (conversations, messages, send,
	// other) and status.
	Requests map[string]map[string]uint64
	// Spent is how long answering them took, Rows how many rows the answers had, both by
	// route.
	Spent map[string]time.Duration
	Rows  map[string]uint64
	// Cut counts answers that their clients did not take in time, or to the end.
	Cut uint64
	// UnderWay is how many are being answered now.
	UnderWay int
}

type counters struct {
	mu       sync.Mutex
	requests [routes]map[string]uint64
	spent    [routes]time.Duration
	rows     [routes]uint64
	cut      atomic.Uint64
}

func (c *counters) add(x *exchange, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.requests[x.route] == nil {
		c.requests[x.route] = make(map[string]uint64)
	}
	c.requests[x.route][strconv.Itoa(x.status)]++
	c.spent[x.route] += took
	c.rows[x.route] += uint64(x.rows)
}

// Stats returns a snapshot. Any goroutine may call it.
func (h *Handler) Stats() Stats {
	s := Stats{
		Requests: make(map[string]map[string]uint64), Spent: make(map[string]time.Duration), Rows: make(map[string]uint64),
		Cut: h.counters.cut.Load(), UnderWay: h.shares.underWay(),
	}
	c := &h.counters
	c.mu.Lock()
	defer c.mu.Unlock()
	for r := range routes {
		if c.requests[r] != nil {
			s.Requests[r.String()] = maps.Clone(c.requests[r])
		}
		s.Spent[r.String()], s.Rows[r.String()] = c.spent[r], c.rows[r]
	}
	return s
}
