package api

import (
	"maps"
	"sync"

	"chatbridge/bridge/auth"
)

// Stats counts what a Server refused since its start. Its maps are the caller's.
type Stats struct {
	// TokensRefused counts CONNECTs and fresh tokens, EventsRefused clients'
	// events, each by code. TokensRefused has every code from the start, with 0: a
	// metric that begins at 1 would show no increase.
	TokensRefused, EventsRefused map[string]uint64
	// RequestsRefused counts requests past Options.RequestsPerAddress that the Handler
	// answered 429.
	RequestsRefused uint64
	// Expired counts the clients that were disconnected because their token had
	// expired.
	Expired uint64
	// MembersLeft counts the clients that were disconnected because their user was
	// no member of the workspace any more.
	MembersLeft uint64
	// Restored counts clients that resumed a session of another bridge here, Anew those
	// whose session was taken over but could not be resumed.
	Restored, Anew uint64
}

// Codes of TokensRefused for clients that are not refused for good and come back.
const (
	unavailable   = "unavailable"
	workspaceFull = "workspace_full"
)

// counters are the Stats as they are counted.
type counters struct {
	mu          sync.Mutex
	tokens      map[string]uint64
	events      map[string]uint64
	expired     uint64
	membersLeft uint64
	requests    uint64
	restored    uint64
	anew        uint64
}

func (c *counters) tokenRefused(code string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	count(&c.tokens, code)
}

func (c *counters) eventRefused(code string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	count(&c.events, code)
}

// requestRefused counts a request, and reports whether it is the first.
func (c *counters) requestRefused() (first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests++
	return c.requests == 1
}

func (c *counters) tokenExpired() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expired++
}

func (c *counters) memberLeft() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.membersLeft++
}

// elsewhere counts a session of another bridge that was taken over.
func (c *counters) elsewhere(restored bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if restored {
		c.restored++
	} else {
		c.anew++
	}
}

func count(counts *map[string]uint64, code string) {
	if *counts == nil {
		*counts = make(map[string]uint64)
	}
	(*counts)[code]++
}

// Stats returns the counters as of now. Safe for concurrent use.
func (s *Server) Stats() Stats {
	c := &s.counters
	c.mu.Lock()
	defer c.mu.Unlock()
	tokens := map[string]uint64{unavailable: 0, workspaceFull: 0}
	for _, code := range auth.Codes() {
		tokens[code] = 0
	}
	maps.Copy(tokens, c.tokens)
	return Stats{TokensRefused: tokens, EventsRefused: maps.Clone(c.events), Expired: c.expired, MembersLeft: c.membersLeft, RequestsRefused: c.requests, Restored: c.restored, Anew: c.anew}
}
