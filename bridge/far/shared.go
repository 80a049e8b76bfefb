package far

import (
	"strings"
	"sync"
	"time"
)

// Clients of one workspace that come back together miss the same rows. What a part
// became is shared for a moment with those that ask for the same keys. What changed
// after it was read is in the log of whoever gets it: that reaches back to before.
const (
	sharedFor   = 10 * time.Second
	sharedBytes = 16 << 20
)

// shared keeps what parts became, within bounds.
type shared struct {
	mu    sync.Mutex
	parts map[string]sharedPart
	order []string // of keys, the oldest first
	bytes int
}

type sharedPart struct {
	rendered
	at    time.Time // when it was begun to be read
	bytes int
}

func sharedKey(workspace string, p part) string {
	return workspace + "\x00" + string('0'+rune(p.kind)) + strings.Join(p.keys, "\x00")
}

// get returns what a part became when it was read no earlier than until.
func (s *shared) get(key string, until time.Time) (rendered, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.parts[key]
	return p.rendered, ok && !p.at.Before(until) && time.Since(p.at) < sharedFor
}

// put keeps what a part became, and drops the oldest beyond the bounds.
func (s *shared) put(key string, r rendered, at time.Time) {
	p := sharedPart{rendered: r, at: at, bytes: len(key)}
	for _, packet := range r.packets {
		p.bytes += packet.Size()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.parts[key]; ok {
		s.bytes += p.bytes - old.bytes
	} else {
		s.order, s.bytes = append(s.order, key), s.bytes+p.bytes
	}
	s.parts[key] = p
	for len(s.order) > 0 && (s.bytes > sharedBytes || time.Since(s.parts[s.order[0]].at) > sharedFor) {
		s.bytes -= s.parts[s.order[0]].bytes
		delete(s.parts, s.order[0])
		s.order = s.order[1:]
	}
}
