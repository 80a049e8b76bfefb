package ops

func clientMetrics() []family {
	return []family{
		gauges("clients", "Connections open, by transport.", []string{"transport"},
			func(s *Snapshot, e emit) {
				e(float64(s.Sockets.WebSocket), "websocket")
				e(float64(s.Sockets.Polling), "polling")
			}),
		gauge("sockets", "Clients that have been accepted, a CONNECT answered.",
			func(s *Snapshot) float64 { return float64(s.Connected()) }),
		gauge("clients_catching_up", "Clients being fed from the replay log.",
			func(s *Snapshot) float64 { return float64(s.Hub.Catching) }),
		counters("connects_total", "CONNECT packets, by result: refused is an answer for good, retry an invitation to come back.", []string{"result"},
			func(s *Snapshot, e emit) {
				e(float64(s.Sockets.SocketConnects), "accepted")
				e(float64(s.Sockets.ConnectErrors), "refused")
				e(float64(s.Sockets.AuthRetries), "retry")
			}),
		counter("client_acks_total", "Acknowledgements that clients sent.",
			func(s *Snapshot) uint64 { return s.Sockets.Acks }),
		counter("joins_refused_total", "Rooms that a socket was not let into because it was in too many.",
			func(s *Snapshot) uint64 { return s.Sockets.JoinsRefused }),
		counters("recoveries_total", "CONNECTs that asked for an earlier session, by result.", []string{"result"},
			func(s *Snapshot, e emit) {
				e(float64(s.Sockets.Recovered), "restored")
				e(float64(s.Sockets.RecoveryMissed), "missed")
			}),
		gauge("saved_sessions", "Sessions of clients that went away, kept for their return.",
			func(s *Snapshot) float64 { return float64(s.Sockets.SavedSessions) }),
		gauge("session_bytes", "Memory of the subscriptions of clients, of those too that went away and may return.",
			func(s *Snapshot) float64 { return float64(s.Hub.SessionBytes) }),
		countersBy("limits_reached_total", "Times that a workspace reached a limit of what its clients may take, by limit.", "limit",
			func(s *Snapshot) map[string]uint64 { return s.Hub.Limited() }),
		counter("client_events_total", "Events that clients sent.",
			func(s *Snapshot) uint64 { return s.Sockets.Events }),
		countersBy("client_events_refused_total", "Clients' events that were answered by an error, by code.", "code",
			func(s *Snapshot) map[string]uint64 { return s.API.EventsRefused }),
		counter("broadcasts_total", "Events handed to the sockets of a room.",
			func(s *Snapshot) uint64 { return s.Sockets.Broadcasts }),
		counter("deliveries_total", "Events handed to sockets: broadcasts times their receivers.",
			func(s *Snapshot) uint64 { return s.Sockets.BroadcastTargets }),
	}
}
