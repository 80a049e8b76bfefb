package engineio

import "time"

// Stats is a snapshot of a server's counters. Counters only grow; gauges say so.
type Stats struct {
	// Polling and WebSocket are gauges: the sessions open on each transport.
	Polling, WebSocket int64
	// Connects counts accepted handshakes, Upgrades those that moved to WebSocket.
	Connects, Upgrades uint64
	// Closes counts closed sessions, Refusals refused requests, by [Reason].
	Closes, Refusals [NumReasons]uint64
	// PacketsIn and BytesIn count the inbound messages and their payload.
	PacketsIn, BytesIn uint64
	// PacketsOut and BytesOut count what was written to the kernel or to an HTTP
	// response, with framing.
	PacketsOut, BytesOut uint64
	// Writes counts the system calls (WebSocket) and responses (polling) it took.
	Writes uint64
	// Stalls counts writes of which the kernel took a part only.
	Stalls uint64
	// QueuedPackets and QueuedBytes are gauges: what waits in all sessions, or is
	// being written.
	QueuedPackets, QueuedBytes int64
	// QueueHigh is the deepest outbound queue seen so far, in packets.
	QueueHigh int64
	// Latency is the time from Send to the write of the message, by bucket:
	// Latency[i] counts those up to [LatencyBuckets][i], the last those beyond.
	Latency [NumLatencyBuckets + 1]uint64
	// LatencySum is the sum of these times.
	LatencySum time.Duration
}

// NumLatencyBuckets is the number of bounds in [LatencyBuckets].
const NumLatencyBuckets = 12

// LatencyBuckets returns the upper bounds of the latency histogram.
func LatencyBuckets() [NumLatencyBuckets]time.Duration { return latencyBuckets }

var latencyBuckets = [NumLatencyBuckets]time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, time.Second,
}

// tally counts writes for one goroutine, which adds it to the shared counters now and
// then ([Server.count]): to add each write would cost more than the rest of the
// accounting.
type tally struct {
	writes, packets, bytes uint64
	high                   int64
	waited                 time.Duration
	latency                [NumLatencyBuckets + 1]uint64
}

// add counts a write whose oldest packet has waited for d.
func (t *tally) add(packets, bytes int, d time.Duration) {
	t.writes++
	t.packets += uint64(packets)
	t.bytes += uint64(bytes)
	t.high = max(t.high, int64(packets))
	t.waited += d
	i := 0
	for i < len(latencyBuckets) && d > latencyBuckets[i] {
		i++
	}
	t.latency[i]++
}

// count adds a tally to the server's counters, and empties it.
func (s *Server) count(t *tally) {
	s.writes.Add(t.writes)
	s.packetsOut.Add(t.packets)
	s.bytesOut.Add(t.bytes)
	s.latencySum.Add(int64(t.waited))
	for i, n := range t.latency {
		if n > 0 {
			s.latency[i].Add(n)
		}
	}
	for high := s.queueHigh.Load(); t.high > high && !s.queueHigh.CompareAndSwap(high, t.high); {
		high = s.queueHigh.Load()
	}
	*t = tally{}
}
