//go:build linux

package main

// page is the page of results around the tables.
func page(tables string) string { return pageHead + "\n" + tables + pageTail }

const pageHead = `# What users of a CRM meet, beside the servers you would run

Measured and written by

    go run ./bench/scenes -write docs/scenes.md

The bridge here is /api/ws with its tokens, workspaces, Hub and log, without a
database (` + "`bench/server/bridge`" + `). Its peers are Node.js with socket.io 4.8 and a
gorilla/websocket loop that has the same rooms but no protocol: no handshake of
Socket.IO, no heartbeats, no queues, nothing to catch up on.
`

const pageTail = `
How to read it:

- The bridge is built without the profile that ` + "`bridge`" + ` itself is built with.
- The server has core 0, the load generator core 1, over loopback; where a scene
  says otherwise it is there. An event is a ` + "`message`" + ` of 463 bytes, and some 40 more
  where it carries an offset, as it does with the bridge and with Node's recovery.
- The servers take turns in each round. Ratios are the bridge's figure divided by the
  other's, of the medians; they compare, figures of two runs do not. Rows with ÷ are medians of
  each round's own.
- CPU is that of the server's process, user and system, so on loopback also that of
  the kernel's receiving. Latency is from when an event was due to when the client
  has read it.
- "Disturbed" is the share of the time that a thread of the server was ready to run and had no
  core: something else of the machine had it, or another thread of the server, such as Go's
  monitor. So it differs between servers; above a few per cent, latencies are too bad.
`
