// Package realtimedouble is a Supabase Realtime server for tests, as far as
// postgres_changes goes. It behaves as recordings of the real one do (tests
// replay them against it and compare every frame), follows a real Postgres
// through a temporary replication slot of its own, loses what the real one
// loses, and fails in every way that a script asks for.
//
// What differs, on purpose: the waits are short unless asked for, the ids of
// bindings are another hash, and rows reach it through pgoutput instead of
// wal2json. Broadcast and presence are not there.
//
// Files: server.go (the HTTP server), conn.go (one socket), channel.go (one joined
// topic), filter.go (a binding's filter), wire.go (frames), token.go (JWTs),
// gateway.go (the project's keys of the new kind),
// follow.go (the slot), render.go (rows as JSON), deliver.go (who gets a change,
// and what of it), roles.go, script.go (what tests ask it to do wrong).
//
// A Server's methods may be called from any goroutine. Close joins all of its
// goroutines. The package is test support; nothing that ships imports it.
package realtimedouble
