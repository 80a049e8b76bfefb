// Package bridge is the daemon: it makes the parts from the configuration, wires
// them, runs them and ends them in order. The parts are packages of their own:
//
//	source (postgres, realtime) → pipeline → hub → api → socketio
//	                                          gateway, in front of ChatEngine
//
// # Files
//
//   - daemon.go the Daemon: Listen, Run, Close, the order of the end
//   - new.go New: source, look-ups, pipeline; new_auth.go, new_api.go and
//     new_gateway.go make those parts from the configuration
//   - new_send.go what sends clients' messages; new_conversations.go which conversations
//     there are
//   - new_rest.go what answers ChatEngine's REST interface
//   - new_far.go what reads messages that are older than the replay log
//   - new_console.go the operator's page
//   - passwords.go the passwords and the anon key, which a reload changes
//   - routes.go which path is served by what
//   - http_server.go an HTTP server that can stop accepting first
//   - listeners.go the sockets, bound or passed by systemd; certificate.go TLS
//   - descriptors.go a reserve of file descriptors; heads.go a bound on connections that
//     send no request
//   - reload.go SIGHUP
//   - cluster.go the Source of a bridge of a cluster: cluster_health.go its health,
//     cluster_history.go which database it is of, cluster_others.go bridges with other
//     settings, another database or version, cluster_bus.go notices to and from other bridges,
//     cluster_replica.go what the leader publishes, cluster_forward.go requests of other
//     bridges' sessions
//   - source.go what a Source is, and when it counts as caught up; availability.go
//     when it last delivered changes
//   - source_postgres.go logical replication: source_postgres_setup.go waits for the
//     database and creates the publication, source_postgres_inspect.go finds and
//     fixes changes of it while the stream runs, source_postgres_repair.go reads back what a
//     gap lost, source_postgres_statefile.go keeps replay.state_file
//   - source_realtime.go Supabase Realtime; ledger.go its ledger.file
//   - membership.go whether the stream tells who leaves a workspace
//   - snapshot.go the state of the parts, as bridge/ops shows it
//
// # Lifecycle
//
// New connects to nothing, Listen binds the addresses, Run serves until its context
// ends or a part fails for good, and then ends the source, the clients and HTTP, in
// this order. Close is for a Daemon that is not run.
//
// # Goroutines
//
// Run starts all goroutines and returns after all have ended: the source's, which alone
// calls the pipeline; and, in one errgroup whose first error ends the Daemon, one for
// each part (such as the authenticator, the API with its Hub, the gateway and the log),
// each HTTP server and the watchdog.
//
// # Concurrency
//
// What can change while the Daemon runs changes through reload alone; its mu is held
// while one is applied, so that two do not mix. Parts are told by their own methods,
// which are safe for concurrent use.
package bridge
