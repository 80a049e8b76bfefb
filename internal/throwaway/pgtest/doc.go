// Package pgtest gives tests real Postgres databases.
//
// A test binary shares one cluster, started when the first test asks for a
// database and stopped by Main; each DB is a fresh database on it. A test that
// stops, kills or configures the server asks for a Cluster of its own.
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
//
// All functions may be called from parallel tests. The package is for tests
// only.
package pgtest
