package engineio

import (
	"sync/atomic"
	"time"
)

// counters are the live side of [Stats].
type counters struct {
	polling, webSocket    atomic.Int64
	connects, upgrades    atomic.Uint64
	closes, refusals      [NumReasons]atomic.Uint64
	packetsIn, bytesIn    atomic.Uint64
	packetsOut, bytesOut  atomic.Uint64
	writes, stalls        atomic.Uint64
	queueHigh, latencySum atomic.Int64
	latency               [NumLatencyBuckets + 1]atomic.Uint64
}

// Stats returns a snapshot of the counters.
func (s *Server) Stats() Stats {
	packets, bytes := s.queued()
	st := Stats{
		QueuedPackets: packets, QueuedBytes: bytes,
		Polling: s.polling.Load(), WebSocket: s.webSocket.Load(),
		Connects: s.connects.Load(), Upgrades: s.upgrades.Load(),
		PacketsIn: s.packetsIn.Load(), BytesIn: s.bytesIn.Load(),
		PacketsOut: s.packetsOut.Load(), BytesOut: s.bytesOut.Load(),
		Writes: s.writes.Load(), Stalls: s.stalls.Load(),
		QueueHigh: s.queueHigh.Load(), LatencySum: time.Duration(s.latencySum.Load()),
	}
	for i := range NumReasons {
		st.Closes[i], st.Refusals[i] = s.closes[i].Load(), s.refusals[i].Load()
	}
	for i := range st.Latency {
		st.Latency[i] = s.latency[i].Load()
	}
	return st
}

// queued adds up what waits in all sessions.
func (s *Server) queued() (packets, bytes int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, session := range s.sessions {
		session.mu.Lock()
		packets += int64(session.depth)
		bytes += int64(session.size)
		session.mu.Unlock()
	}
	return packets, bytes
}
