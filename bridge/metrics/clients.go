package metrics

func clientFamilies() []family {
	return []family{
		gauges(
			"clients", "Connections open, by transport.", []string{"transport"},
			func(s *Snapshot, e emit) {
				e(float64(s.Sockets.WebSocket), "websocket")
				e(float64(s.Sockets.Polling), "polling")
			},
		),
		gauge(
			"sockets", "Clients that have been accepted, a CONNECT answered.",
			func(s *Snapshot) float64 { return float64(s.Sockets.Sockets) },
		),
		gauge(
			"clients_catching_up", "Clients being fed from the replay log.",
			func(s *Snapshot) float64 { return float64(s.Clients.CatchingUp) },
		),
		counters(
			"connects_total", "CONNECT packets, by result: refused is an answer for good, retry an invitation to come back.",
			[]string{"result"},
			func(s *Snapshot, e emit) {
				e(float64(s.Sockets.SocketConnects), "accepted")
				e(float64(s.Sockets.ConnectErrors), "refused")
				e(float64(s.Sockets.AuthRetries), "retry")
			},
		),
		counter(
			"client_acks_total", "Acknowledgements that clients sent.",
			func(s *Snapshot) uint64 { return s.Sockets.Acks },
		),
		counter(
			"joins_refused_total", "Rooms that a socket was not let into because it was in too many.",
			func(s *Snapshot) uint64 { return s.Sockets.JoinsRefused },
		),
		counters(
			"recoveries_total", "CONNECTs that asked for an earlier session, by result.", []string{"result"},
			func(s *Snapshot, e emit) {
				e(float64(s.Sockets.Recovered), "restored")
				e(float64(s.Sockets.RecoveryMissed), "missed")
			},
		),
		gauge(
			"saved_sessions", "Sessions of clients that went away, kept for their return.",
			func(s *Snapshot) float64 { return float64(s.Sockets.SavedSessions) },
		),
		counter(
			"client_events_total", "Events that clients sent.",
			func(s *Snapshot) uint64 { return s.Sockets.Events },
		),
		countersBy(
			"client_events_refused_total", "Clients' events that were answered by an error, by code.", "code",
			func(s *Snapshot) map[string]uint64 { return s.Clients.EventsRefused },
		),
		counter(
			"broadcasts_total", "Events handed to the sockets of a room.",
			func(s *Snapshot) uint64 { return s.Sockets.Broadcasts },
		),
		counter(
			"deliveries_total", "Events handed to sockets: broadcasts times their receivers.",
			func(s *Snapshot) uint64 { return s.Sockets.BroadcastTargets },
		),
	}
}

func authFamilies() []family {
	return append([]family{
		countersBy(
			"tokens_refused_total", "Tokens refused, by code; unavailable are those that could not be judged.", "code",
			func(s *Snapshot) map[string]uint64 { return s.Clients.TokensRefused },
		),
		counter(
			"descriptors_refused_total", "Connections refused because clients had used up the file descriptors but a reserve.",
			func(s *Snapshot) uint64 { return s.Clients.DescriptorsRefused },
		),
		counter(
			"tokens_expired_total", "Clients closed because their token had expired.",
			func(s *Snapshot) uint64 { return s.Clients.Expired },
		),
	}, when(
		func(s *Snapshot) bool { return s.Auth != nil },
		counters(
			"tokens_accepted_total", "Tokens accepted, by kind.", []string{"kind"},
			func(s *Snapshot, e emit) {
				e(float64(s.Auth.ChatEngine), "chatengine")
				e(float64(s.Auth.Supabase), "supabase")
			},
		),
		counters(
			"membership_checks_total", "Questions whether a user is a member of a workspace, by how they were answered.", []string{"result"},
			func(s *Snapshot, e emit) {
				m := s.Auth.Members
				e(float64(m.Cached), "cached")
				e(float64(m.Asked-min(m.Asked, m.Failed)), "asked")
				e(float64(m.Failed), "failed")
			},
		),
		counters(
			"jwks_fetches_total", "Attempts to read the project's public keys, by result.", []string{"result"},
			func(s *Snapshot, e emit) {
				k := s.Auth.Keys
				e(float64(k.Fetches-min(k.Fetches, k.Failures)), "ok")
				e(float64(k.Failures), "failed")
			},
		),
		gauge(
			"jwks_keys", "Public keys known.",
			func(s *Snapshot) float64 { return float64(s.Auth.Keys.Keys) },
		),
	)...)
}
