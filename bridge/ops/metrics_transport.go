package ops

import (
	"chatbridge/bridge/api"
	"chatbridge/internal/histogram"
	"chatbridge/socketio/engineio"
)

// firstRefusal splits the reasons: those before it end sessions, it and those
// after it refuse requests.
const firstRefusal = engineio.UnknownTransport

// byReason emits a count for each reason that belongs there, also while it is
// zero, so that a rate has a beginning; and for others once they count.
func (e emit) byReason(counts *[engineio.NumReasons]uint64, belongs func(engineio.Reason) bool) {
	for i, n := range counts {
		if r := engineio.Reason(i); n > 0 || belongs(r) {
			e(float64(n), r.String())
		}
	}
}

func transportMetrics() []family {
	return []family{
		counters("disconnects_total", "Ended connections, by reason.", []string{"reason"},
			func(s *Snapshot, e emit) {
				e.byReason(&s.Sockets.Closes, func(r engineio.Reason) bool { return r < firstRefusal })
			}),
		counters("refusals_total", "Requests and handshakes refused, by reason.", []string{"reason"},
			func(s *Snapshot, e emit) {
				e.byReason(&s.Sockets.Refusals, func(r engineio.Reason) bool { return r >= firstRefusal })
				e(float64(s.API.RequestsRefused), api.RequestRate)
			}),
		counter("handshakes_total", "Connections accepted.",
			func(s *Snapshot) uint64 { return s.Sockets.Connects }),
		counter("upgrades_total", "Connections that moved from polling to websocket.",
			func(s *Snapshot) uint64 { return s.Sockets.Upgrades }),
		counters("packets_total", "Engine.IO packets, by direction.", []string{"direction"},
			func(s *Snapshot, e emit) {
				e(float64(s.Sockets.PacketsIn), "in")
				e(float64(s.Sockets.PacketsOut), "out")
			}),
		counters("traffic_bytes_total", "Bytes of packets, by direction.", []string{"direction"},
			func(s *Snapshot, e emit) {
				e(float64(s.Sockets.BytesIn), "in")
				e(float64(s.Sockets.BytesOut), "out")
			}),
		counter("writes_total", "System calls (websocket) and responses (polling) that it took to send.",
			func(s *Snapshot) uint64 { return s.Sockets.Writes }),
		counter("write_stalls_total", "Writes that the kernel could not take whole: a client is slow.",
			func(s *Snapshot) uint64 { return s.Sockets.Stalls }),
		gauge("queued_packets", "Packets that wait in all outbound queues, or are being written.",
			func(s *Snapshot) float64 { return float64(s.Sockets.QueuedPackets) }),
		gauge("queued_bytes", "Bytes that wait in all outbound queues, or are being written.",
			func(s *Snapshot) float64 { return float64(s.Sockets.QueuedBytes) }),
		gauge("queue_packets_max", "The deepest outbound queue of a connection since the start, in packets.",
			func(s *Snapshot) float64 { return float64(s.Sockets.QueueHigh) }),
		histogramOf("publish_to_socket_seconds", "Time that a packet waited in a connection's queue until it was written.",
			func(s *Snapshot) histogram.Snapshot { return s.Sockets.Latency }),
	}
}
