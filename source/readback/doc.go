// Package readback reads rows back from the database whose changes a source
// follows. Package reconcile compares them with what was published.
//
// Two readers do the same three things. PostgREST asks the project's REST
// interface with the service key, so that the project's address and key are
// enough. SQL asks the database itself, for operators who have a connection
// string (any, a transaction-mode pooler too) but no replication rights.
//
//   - postgrest.go, filter.go, openapi.go: PostgREST
//   - sql.go, published.go: SQL
//   - table.go: Table, its columns and key
//   - value.go: values of JSON in Postgres's text form
//   - errors.go: Error, with its remedy
//
// A reader is used by one goroutine. It imports source (for column names and
// types) and nothing else of this module. It never writes.
package readback
