package engineio

import (
	"time"

	"chatbridge/internal/histogram"
)

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
	// Latency counts the times from Send to the write of the message.
	Latency histogram.Snapshot
}

// latencyLayout has classic bounds from 100 µs to 1 s, and natively goes from 7.6 µs to 128 s.
var latencyLayout = histogram.NewLayout(
	-17, 7,
	100*time.Microsecond, 250*time.Microsecond, 500*time.Microsecond,
	time.Millisecond, 2500*time.Microsecond, 5*time.Millisecond,
	10*time.Millisecond, 25*time.Millisecond, 50*time.Millisecond,
	100*time.Millisecond, 250*time.Millisecond, time.Second,
)

// tally counts writes for a writer's goroutine, which adds it to the shared counters now
// and then ([Server.count]): to add each write would cost more than the rest of the
// accounting.
type tally struct {
	writes, packets, bytes uint64
	high                   int64
	latency                histogram.Tally
}

// add counts a write whose oldest packet has waited for d.
func (t *tally) add(packets, bytes int, d time.Duration) {
	t.writes++
	t.packets += uint64(packets)
	t.bytes += uint64(bytes)
	t.high = max(t.high, int64(packets))
	t.latency.Observe(d)
}

// count adds a tally to the server's counters, and empties it.
func (s *Server) count(t *tally) {
	t.latency.AddTo(s.latency)
	s.countWrites(t.writes, t.packets, t.bytes, t.high)
	t.writes, t.packets, t.bytes, t.high = 0, 0, 0, 0
}

// countWrite counts one write whose oldest packet has waited for d.
func (s *Server) countWrite(packets, bytes int, d time.Duration) {
	s.latency.Observe(d)
	s.countWrites(1, uint64(packets), uint64(bytes), int64(packets))
}

func (s *Server) countWrites(writes, packets, bytes uint64, deepest int64) {
	s.writes.Add(writes)
	s.packetsOut.Add(packets)
	s.bytesOut.Add(bytes)
	for high := s.queueHigh.Load(); deepest > high && !s.queueHigh.CompareAndSwap(high, deepest); {
		high = s.queueHigh.Load()
	}
}
