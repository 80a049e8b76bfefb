// Package chatengine runs a stand-in for ChatEngine in tests: a real Node.js
// Socket.IO server, from npm, that serves /api/ws, writes rows and emits what it
// writes, live and once. It can be killed and restored on the same port, and
// frozen, which is a process that neither answers nor closes its connections.
//
// It has two forms. [Real] does what the real server was seen to do: it names
// messages by WhatsApp's ids, which are not the rows' keys. [Agreeing] says what
// the bridge says. The scripts are in testdata/server: server.mjs (the process),
// real.mjs and agreeing.mjs (the forms), rooms.mjs.
//
// Its other paths are GET /api/chat/conversations and /messages (Real alone; the header
// X-Served-By tells its answers from the bridge's), GET /health, GET /inspect (the request as JSON), POST /echo
// (a streaming body), and what WhatsApp tells it: POST /messages and POST
// /statuses (store and emit), POST /connection (gained or lost; Real alone).
//
// Lifecycle: [Start], then any number of [Server.Kill] and [Server.Restore],
// then [Server.Stop]. Methods may be called from one goroutine at a time,
// except Addr, URL and Token.
//
// The package is test support. Nothing that ships imports it.
package chatengine
