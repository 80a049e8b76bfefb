package ops

import (
	"maps"
	"slices"
)

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
		counter("cluster_renewed_total", "Times that the stream in Redis had what no bridge of the cluster wrote, and the leader began it anew.",
			func(s *Snapshot) uint64 { return s.Cluster.Renewed }),
		counter("cluster_evicted_events_total", "Events that the leader had no more room to keep for Redis.",
			func(s *Snapshot) uint64 { return s.Cluster.EvictedUnserved }),
		counter("cluster_read_entries_total", "Entries read from Redis.",
			func(s *Snapshot) uint64 { return s.Cluster.Read }),
		counter("cluster_read_events_total", "Events of these entries that the bridge did not have.",
			func(s *Snapshot) uint64 { return s.Cluster.ReadEvents }),
		counter("cluster_rejoins_total", "Times that Redis did not hold what the edge had to read next: it closed its clients and began anew.",
			func(s *Snapshot) uint64 { return s.Cluster.Rejoins }),
		gauge("cluster_other_bridges", "Other bridges of the cluster that live.",
			func(s *Snapshot) float64 { return float64(s.Cluster.Nodes) }),
		gauge("cluster_foreign_bridges", "Bridges that have the cluster.name of this one and another database. Nothing of them is taken.",
			func(s *Snapshot) float64 { return float64(len(s.Cluster.Foreign)) }),
		gauges("cluster_differing_bridges", "Bridges of the cluster that have a setting that all must have the same otherwise than this one, by setting.", []string{"setting"},
			func(s *Snapshot, e emit) {
				settings := map[string]int{}
				for _, d := range s.Cluster.Differing {
					settings[d.Setting]++
				}
				for _, setting := range slices.Sorted(maps.Keys(settings)) {
					e(float64(settings[setting]), setting)
				}
			}),
		gauge("cluster_outdated_bridges", "Bridges that have the cluster.name of this one and a version with which it cannot be one.",
			func(s *Snapshot) float64 { return float64(len(s.Cluster.Outdated)) }),
		counter("cluster_notices_told_total", "Notices, such as who types, that went out to the other bridges.",
			func(s *Snapshot) uint64 { return s.Cluster.NoticesSent }),
		counter("cluster_notices_heard_total", "Notices of the other bridges.",
			func(s *Snapshot) uint64 { return s.Cluster.NoticesReceived }),
		counter("cluster_notices_dropped_total", "Notices that were too many, or none, or could not be told.",
			func(s *Snapshot) uint64 { return s.Cluster.NoticesDropped }),
		counter("cluster_forwarded_total", "Requests of other bridges' sessions that were passed on to them.",
			func(s *Snapshot) uint64 { return s.Cluster.Forwarded }),
		counter("cluster_forwards_failed_total", "Such requests that could not be passed on: their clients begin anew.",
			func(s *Snapshot) uint64 { return s.Cluster.ForwardsFailed }),
		counter("cluster_sessions_kept_total", "Times that what the other bridges need of a client's session was put into Redis.",
			func(s *Snapshot) uint64 { return s.Cluster.SessionsKept }),
		counter("cluster_sessions_failed_total", "Times that this failed; it is tried again.",
			func(s *Snapshot) uint64 { return s.Cluster.SessionsFailed }),
		gauge("cluster_sessions_waiting", "Sessions that wait to be put into Redis.",
			func(s *Snapshot) float64 { return float64(s.Cluster.SessionsWaiting) }),
		counter("cluster_sessions_lost_total", "Sessions that another bridge had taken over while the client seemed to be here.",
			func(s *Snapshot) uint64 { return s.Cluster.SessionsLost }),
		counter("cluster_sessions_refused_total", "Times that a session was not put into Redis because those of its workspace or of this bridge have their share of it, or Redis is full.",
			func(s *Snapshot) uint64 { return s.Cluster.SessionsRefused }),
		counter("cluster_sessions_given_up_total", "Times that all sessions of this bridge were emptied in Redis because it was full.",
			func(s *Snapshot) uint64 { return s.Cluster.SessionsGivenUp }),
		gauge("cluster_sessions_bytes", "What Redis needs for the sessions that this bridge has put there, until they expire.",
			func(s *Snapshot) float64 { return float64(s.Cluster.SessionsBytes) }),
		counter("cluster_sessions_restored_total", "Clients that went on here with a session of another bridge.",
			func(s *Snapshot) uint64 { return s.API.Restored }),
		counter("cluster_sessions_anew_total", "Clients whose session of another bridge was found and could not be gone on with: they began anew.",
			func(s *Snapshot) uint64 { return s.API.Anew }),
	)
}
