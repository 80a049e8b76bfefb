package ops

func authMetrics() []family {
	return []family{
		countersBy("tokens_refused_total", "Tokens refused, by code; unavailable are those that could not be judged, workspace_full those of a workspace that has limits.workspace.clients.", "code",
			func(s *Snapshot) map[string]uint64 { return s.API.TokensRefused }),
		counter("descriptors_refused_total", "Connections refused because clients had used up the file descriptors but a reserve.",
			func(s *Snapshot) uint64 { return s.DescriptorsRefused }),
		counter("headless_connections_closed_total", "Connections closed because their address had too many that had not sent the head of a request.",
			func(s *Snapshot) uint64 { return s.HeadlessClosed }),
		counter("tokens_expired_total", "Clients closed because their token had expired.",
			func(s *Snapshot) uint64 { return s.API.Expired }),
		counter("members_left_total", "Clients closed because their user was no member of the workspace any more.",
			func(s *Snapshot) uint64 { return s.API.MembersLeft }),
		counters("tokens_accepted_total", "Tokens accepted, by kind.", []string{"kind"},
			func(s *Snapshot, e emit) {
				e(float64(s.Auth.ChatEngine), "chatengine")
				e(float64(s.Auth.Supabase), "supabase")
			}),
		counters("membership_checks_total", "Questions whether a user is a member of a workspace, by how they were answered.", []string{"result"},
			func(s *Snapshot, e emit) {
				m := s.Auth.Members
				e(float64(m.Cached), "cached")
				e(without(m.Asked, m.Failed), "asked")
				e(float64(m.Failed), "failed")
				e(float64(m.Limited), "limited")
				e(float64(m.Checked), "checked")
				e(float64(m.ChecksFailed), "check_failed")
			}),
		counters("jwks_fetches_total", "Attempts to read the project's public keys, by result.", []string{"result"},
			func(s *Snapshot, e emit) {
				k := s.Auth.Keys
				e(without(k.Fetches, k.Failures), "ok")
				e(float64(k.Failures), "failed")
			}),
		gauge("jwks_keys", "Public keys known.",
			func(s *Snapshot) float64 { return float64(s.Auth.Keys.Keys) }),
	}
}
