package ops

// clusterMetrics are those of a bridge that is one of several.
func clusterMetrics() []family {
	return when(func(s *Snapshot) bool { return s.Cluster != nil },
		gauges("cluster_role", "1 for what the bridge is in its cluster, 0 for the other.", []string{"role"},
			func(s *Snapshot, e emit) { emitStates(e, s.Cluster.Role, []string{ClusterLeader, ClusterEdge}) }),
		gauge("cluster_connected", "Whether Redis works, and an edge hears the leader.",
			func(s *Snapshot) float64 { return truth(s.Cluster.Connected) }),
		gauge("cluster_waiting_events", "Events that the leader has published and that are not in Redis.",
			func(s *Snapshot) float64 { return float64(s.Cluster.Waiting) }),
		gauge("cluster_unheard_seconds", "How long ago an edge heard the leader.",
			func(s *Snapshot) float64 { return s.Cluster.Unheard.Seconds() }),
		counter("cluster_appended_entries_total", "Entries appended to Redis since the bridge began to lead.",
			func(s *Snapshot) uint64 { return s.Cluster.Appended }),
		counter("cluster_appended_bytes_total", "Bytes of the entries appended to Redis.",
			func(s *Snapshot) uint64 { return s.Cluster.AppendedBytes }),
		counter("cluster_refills_total", "Times that Redis lacked what it had acknowledged, and the leader appended it again.",
			func(s *Snapshot) uint64 { return s.Cluster.Refills }),
		counter("cluster_replaced_total", "Times that what was in Redis was too old to go on from, and the leader replaced it.",
			func(s *Snapshot) uint64 { return s.Cluster.Replaced }),
		counter("cluster_evicted_events_total", "Events that the leader had no more room to keep for Redis.",
			func(s *Snapshot) uint64 { return s.Cluster.EvictedUnserved }),
		counter("cluster_read_entries_total", "Entries read from Redis.",
			func(s *Snapshot) uint64 { return s.Cluster.Read }),
		counter("cluster_read_events_total", "Events of these entries that the bridge did not have.",
			func(s *Snapshot) uint64 { return s.Cluster.ReadEvents }),
		counter("cluster_rejoins_total", "Times that Redis did not hold what the edge had to read next: it closed its clients and began anew.",
			func(s *Snapshot) uint64 { return s.Cluster.Rejoins }),
	)
}
