// Package source is the vocabulary of change: what a row looked like before
// and after, in which transaction, at which position. Every source (logical
// replication in source/postgres, Supabase Realtime in source/realtime)
// speaks it, and everything after the source is one code path.
//
//	change.go    Change and what it consists of: Tx, Relation, Column, Row, Value
//	handler.go   Handler, which a source gives them to, and Gap
//	position.go  Position: where a change is in the log
//
// The package holds types only: no I/O, no goroutine, no clock. It imports
// nothing else of this module.
package source
