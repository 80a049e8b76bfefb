// Command scenes measures what users of a CRM meet, of the bridge and of what one
// would run instead: Node.js with socket.io 4.8, and a bare gorilla/websocket loop
// that speaks no protocol, one after the other in each of several rounds.
//
//	go run ./bench/scenes                      # all scenes, in their short form
//	go run ./bench/scenes -scene rooms,storm
//	go run ./bench/scenes -scene tail -duration 10m
//	go run ./bench/scenes -scene rooms -clients 200 -rounds 1 -servers bridge
//
// The scenes:
//
//	rooms   2,000 workspaces of 5 clients with 2 subscriptions each, 2,000 events/s
//	storm   20,000 clients come back within 5 s, each with 3 subscriptions and 200
//	        events to catch up on; of the bridge also after a failover, and a restart
//	tls     a steady rate over TLS, to one room of 1,000 and 2,000 rooms of 5
//	cores   the highest rate with one core and with two, many rooms and one room
//	idle    20,000 connections of which nothing is asked but heartbeats
//	slow    a tenth of 1,000 clients reads 20 kB/s: what the others notice
//	tail    p99.9 at 20 events/s to 1,000 clients, for a while
//
// The server runs on core 0 and the load generator, which is this process, on core 1,
// over loopback. A machine drifts, so figures of different runs do not compare; the
// ratios of one run do, because the servers take turns in it.
//
//   - main.go, scene.go: flags; what a scene is
//   - rooms.go, storm.go, tls.go, cores.go, idle.go, slow.go, tail.go: one scene each
//   - session.go: a running server with its clients
//   - certificate.go: of the scenes over TLS
//   - page.go: the page around the tables
//
// Linux with two cores or more, taskset, and, for its peer, Node.js and npm. 20,000
// clients need a limit of 21,000 open files or more; with less there are as many
// clients as the limit lets, and the table says so.
package main
