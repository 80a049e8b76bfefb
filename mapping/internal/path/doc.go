// Package path is test support: the whole way from a throw-away Postgres
// through logical replication, lookups and the mapper to events as JSON lines.
package path
