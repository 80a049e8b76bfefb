// Package postgrestdouble answers as PostgREST does, from a real Postgres,
// for tests: reading tables with select, filters, logic, order, limits and
// ranges, the OpenAPI description, roles from tokens, the errors' codes.
// Tests check it with the official @supabase/postgrest-js. It does not write
// or call functions, and knows no foreign keys: what is to be embedded is refused as
// PostgREST refuses it then. As a gateway it refuses addresses of more than 8 KiB.
//
//   - server.go: Server, roles, errors
//   - query.go: a request's SQL; parser.go: filters and logic
//   - openapi.go: the description
//
// A Server is an http.Handler; its methods may be called from any goroutine.
// The package is test support; nothing that ships imports it.
package postgrestdouble
