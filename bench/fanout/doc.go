// Command fanout measures what it costs to send one event to many clients: our
// Socket.IO server, Node.js with socket.io, and a bare gorilla/websocket loop
// that speaks no protocol, one after the other in each of several rounds.
//
//	go run ./bench/fanout             # all of it, in about five minutes
//	go run ./bench/fanout -rounds 1 -servers ours -steps steady,peak
//	go run ./bench/fanout -many 5000 -write docs/benchmarks.md
//
// The server runs on core 0 and the load generator, which is this process, on
// core 1, over loopback. A machine drifts, so figures of different runs do not
// compare; the ratios of one run do, because the servers take turns in it.
//
//   - main.go, measure.go: flags; the steps that a server is taken through
//   - peak.go: the search for the highest rate
//   - report.go, page.go: the table, docs/benchmarks.md around it
//
// Linux with two cores or more, taskset, and, for its peer, Node.js and npm.
package main
