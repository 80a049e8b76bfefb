//go:build linux

package main

// page is docs/benchmarks.md around the table.
func page(table string) string {
	return "# Benchmarks\n\n" + pageHead + "\n" + table + pageTail
}

const pageHead = `What it costs to send one event to many clients. Written by

    go run ./bench/fanout -many 5000 -write docs/benchmarks.md

which takes about eight minutes on a machine with two cores, Node.js and npm;
without -many, five. -before adds our server as it was at another revision.
`

const pageTail = `
How to read it:

- The server has core 0, the load generator core 1, over loopback. The event is
  a ` + "`message`" + ` of 463 bytes; all clients are in one room.
- The steady rate is 20 events a second to 1,000 clients, 4 to 5,000.
- CPU is in CPU seconds of the server per million deliveries. On loopback the
  sender also pays for the kernel's work of receiving.
- The highest rate is the highest that was tried (steps of 5 %) at which for
  2.5 seconds no event was lost and 99 in 100 arrived within 250 ms. Latency
  counts from when an event was due, so a server that falls behind shows it.
- "kB idle" is resident memory per connection after a garbage collection,
  without the kernel's socket buffers.
- The gorilla loop is no Socket.IO server: no handshake, heartbeat, namespaces,
  queues or slow-client protection. It is the floor of one write a delivery.
- Figures of one run compare; those of two runs do not. Machines drift by a
  third, and CPU ratios below 1.1 are as good as equal. Where the generator was
  busy all the time, the server could have done more.
- "disturbed" is the share of the time that a thread of the server was ready to run
  and had no core, at the highest rate: something else of the machine had it, or
  another thread of the server, such as Go's monitor. Above a few per cent, the
  highest rates and the latencies are too bad; CPU and memory still hold.
`
