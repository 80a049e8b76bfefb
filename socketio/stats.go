package socketio

import "chatbridge/socketio/engineio"

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
	// Recovered counts restored sessions, RecoveryMissed CONNECTs that asked for
	// one that could not be restored; SavedSessions is a gauge.
	Recovered, RecoveryMissed uint64
	SavedSessions             int64
}
