package socketio

import (
	"chatbridge/internal/lockstats"
	"chatbridge/socketio/engineio"
)

// Stats is a snapshot of a server's counters.
type Stats struct {
	// Stats are those of the transports, with closes and refusals by reason.
	engineio.Stats
	// Sockets is a gauge: the sockets connected to namespaces.
	Sockets int64
	// SocketConnects counts CONNECTs that were accepted, ConnectErrors those
	// refused with a packet, AuthRetries those closed to come back.
	SocketConnects, ConnectErrors, AuthRetries uint64
	// Events and Acks count what clients sent.
	Events, Acks uint64
	// Broadcasts counts calls, BroadcastTargets the sockets they were queued for.
	Broadcasts, BroadcastTargets uint64
	// JoinsRefused counts those past Options.MaxRooms.
	JoinsRefused uint64
	// Recovered counts restored sessions, RecoveryMissed CONNECTs that asked for
	// one that could not be restored; SavedSessions is a gauge.
	Recovered, RecoveryMissed uint64
	SavedSessions             int64
	// RoomsLock is for how long the locks of the namespaces were held, each of which
	// has its rooms: during joins, leaves and the queueing of a broadcast.
	RoomsLock lockstats.Held
}

// Stats returns a snapshot of the counters.
func (s *Server) Stats() Stats {
	return Stats{
		RoomsLock:      s.roomsLock(),
		Stats:          s.engine.Stats(),
		Sockets:        s.sockets.Load(),
		SocketConnects: s.socketConnects.Load(), ConnectErrors: s.connectErrors.Load(),
		AuthRetries: s.authRetries.Load(),
		Events:      s.events.Load(), Acks: s.acks.Load(),
		Broadcasts: s.broadcasts.Load(), BroadcastTargets: s.broadcastTargets.Load(),
		JoinsRefused: s.joinsRefused.Load(),
		Recovered:    s.recovered.Load(), RecoveryMissed: s.recoveryMissed.Load(),
		SavedSessions: int64(s.sessions.len()),
	}
}

func (s *Server) roomsLock() (all lockstats.Held) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, n := range s.namespaces {
		held := n.mu.Held()
		all.Longest, all.Total = max(all.Longest, held.Longest), all.Total+held.Total
	}
	return all
}
