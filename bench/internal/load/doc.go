// Package load is a load generator for WebSocket broadcasts: thousands of
// connections on one thread with epoll, fast enough that the server on the
// other core is what is measured.
//
// It reads frame headers alone. Every frame is counted; of one in
// [Options.SampleEvery] the number and the due time are read, and the time from
// when the event was due to when it was read goes into a histogram. An event
// is late from when it should have been sent, not from when the server got
// round to sending it, so that a server that falls behind cannot hide it.
//
//   - group.go: Group, Options
//   - conn.go, tls.go: one connection, plain and over TLS
//   - receive.go: the epoll loop
//   - histogram.go, clock.go: delays
//
// Concurrency: a [Group] belongs to the goroutine that calls its methods.
//
// Linux only.
package load
