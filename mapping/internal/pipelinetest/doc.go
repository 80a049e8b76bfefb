// Package pipelinetest is test support: the whole way from a throw-away Postgres
// through logical replication, look-ups and the mapper to events as JSON lines.
package pipelinetest
