// Command pipeline measures the whole path, from an INSERT to a client's
// socket: the bridge beside the one of some sixty lines that a user would
// write in Node (testdata/npm/bridge.mjs), in one run, on one Postgres.
//
//	go run ./bench/pipeline
//
// Its scenes, each with a fresh database: the latency of single inserts with
// 100 clients; that of 1,000 single inserts a second in 100 workspaces, of which each
// needs what its row lacks, looked up (cold) or remembered (warm), with the round trips
// that the look-ups took; the highest rate of rows that 10 clients get with p99 at most
// 250 ms; 100,000 rows in one transaction to 10 clients, also with three that
// never read; and for the bridge alone, how long after its start the first event comes,
// with a window of 100,000 to fill its log with. Everything runs on the machine's cores
// together, Postgres and the clients too, so the figures are for comparing the two, not
// for boasting.
//
//   - main.go, bench.go: flags; what all scenes share
//   - scenes.go, start.go: the scenes
//   - rows.go, lookups.go: what is inserted
//   - server.go, clients.go: the bridges and their clients
//   - usage.go: the CPU time of everybody who takes part
package main
