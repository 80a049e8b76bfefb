// Package chatengine runs a stand-in for ChatEngine in tests: a real Node.js
// Socket.IO server, from npm, with the contract of /api/ws, writes the
// rows of schemas.ChatEngine and emits what it writes, live and once. It can be
// killed and restored on the same port, and frozen, which is a process that
// neither answers nor closes its connections.
//
// Its only other paths are what tests of proxies need: GET /health, GET
// /inspect (the request as JSON), POST /echo (a streaming body), POST /messages
// and POST /statuses (store and emit).
//
// Lifecycle: [Start], then any number of [Server.Kill] and [Server.Restore],
// then [Server.Stop]. Methods may be called from one goroutine at a time,
// except Addr, URL and Token.
//
// The package is test support. Nothing that ships imports it.
package chatengine
