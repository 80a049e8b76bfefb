// Package check inspects everything that can be wrong before the bridge starts.
// It is what `bridge check` prints.
//
//	check.go       Run, in order; the configuration and the mapping
//	postgres.go    the database that is followed, and the mapping's columns in it
//	lookups.go     the questions of look-ups, asked as they are later
//	rest.go        the indexes that ChatEngine's REST interface needs
//	invented.go    an invented message through the mapping
//	uniquekeys.go  whether the mapping's keys are unique
//	generated.go   mapped columns that Postgres generates and does not send
//	realtime.go    Supabase Realtime, readback.go the reader of what it loses, and
//	               postgrest.go the tables that are looked up there
//	tokens.go      the keys that tokens are verified with, and the table of members
//	listeners.go   the addresses to listen on
//	certificate.go the TLS files
//	statefile.go   the files in the state directory
//	gateway.go     ChatEngine behind the gateway; spool.go where webhooks are kept
//	otel.go        the collector of metrics and traces
//	redis.go       the Redis of a cluster, redis_cluster.go a Redis Cluster
//	cluster.go     the bridges under the cluster's name, and bridges.go where they are
//	send.go        what sends clients' texts: the function, or the outbox's role and tables
//
// It changes nothing: it opens connections and closes them, and asks. Every
// finding has the state, its consequence, and the exact statement or setting that
// fixes it. Secrets are in none.
//
// Run does one step after the other, each bounded in time; it starts no
// goroutine. The package must not import bridge: no daemon is needed for it.
package check
