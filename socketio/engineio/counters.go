package engineio

import (
	"sync/atomic"

	"chatbridge/internal/histogram"
)

// counters are the live side of [Stats].
type counters struct {
	polling, webSocket   atomic.Int64
	connects, upgrades   atomic.Uint64
	closes, refusals     [NumReasons]atomic.Uint64
	packetsIn, bytesIn   atomic.Uint64
	packetsOut, bytesOut atomic.Uint64
	writes, stalls       atomic.Uint64
	queueHigh            atomic.Int64
	latency              *histogram.Histogram // of latencyLayout
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
		QueueHigh: s.queueHigh.Load(), Latency: s.latency.Snapshot(),
	}
	for i := range NumReasons {
		st.Closes[i], st.Refusals[i] = s.closes[i].Load(), s.refusals[i].Load()
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
