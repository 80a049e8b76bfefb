// Command conformance serves what the official protocol suites of Socket.IO
// and Engine.IO expect of the server they test, made from the packages
// socketio and engineio as anyone would use them:
//
//	go run ./socketio/conformance -addr 127.0.0.1:3000 -mode socketio
//
// at the path /api/ws. In the mode socketio each client is sent what it
// authenticated with, "message" is echoed, "message-with-ack" acknowledged, in
// the namespaces / and /custom. In the mode engineio each message is echoed.
//
// Its tests are our own protocol tests, over raw sockets; and, where
// SOCKETIO_SUITES names a checkout of github.com/socketio/socket.io, the
// official suites, SOCKETIO_SUITE_RUNS times each, on one core and on all.
package main
