// Package demo runs everything on one machine with nothing to configure: a
// private throw-away Postgres with the CRM's schema, a generator of realistic
// WhatsApp traffic, a stand-in for ChatEngine, the bridge in front of it, and a page
// that shows a CRM and breaks things. `bridge demo` runs it.
//
//   - demo.go: Run, its options and configuration, what it prints at first
//   - world.go: the sample workspaces, contacts and conversations
//   - traffic.go: Traffic, the writes and when they are due; burst.go: many at once
//   - message.go: one message row
//   - chatengine.go: the stand-in for ChatEngine
//   - stage.go: what the page's buttons do, and what happened
//   - history.go: what the page reads from the tables when it opens
//   - page.go: the page's addresses, and who may use them; page/: its files
//   - screen.go: the status line, and what happened
//   - nodes.go: several bridges that are one, killed in turn; node.go one of them, a process
//     of its own; redis.go what they share; view.go what a client sees of it
//
// # The page
//
// It is the CRM as far as it matters: it reads the tables once, when it opens, and is told
// all else over the socket, with socket.io-client's own bundle. It de-duplicates by all
// names of a message, so what it counts can be compared with the database's count.
//
// The buttons are for this machine and this page: loopback addresses and names, a POST with
// a random token in a header, no answer to other origins. They are in no other command:
// bridge.Options.Front puts the page before the bridge, and this package alone sets it.
//
// # Goroutines
//
// Run owns every goroutine and process that it starts and returns after all of
// them: when its time is up, on Ctrl-C, and when it is interrupted while
// Postgres is still starting. One goroutine does what the buttons ask for, in order, so
// that Postgres is not stopped while it is being restarted.
package demo
