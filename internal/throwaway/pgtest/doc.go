// Package pgtest gives tests real Postgres databases.
//
// A test binary shares one cluster, started when the first test asks for a
// database and stopped by Main; each DB is a fresh database on it. A test that
// stops, kills or configures the server asks for a Cluster of its own.
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
//
// The files:
//
//   - pgtest.go: Main, the shared cluster
//   - db.go: databases on it
//   - version.go: other versions of Postgres
//   - standby.go, pooler.go: a standby; PgBouncer
//
// All functions may be called from parallel tests. The package is for tests
// only.
package pgtest
