// Package clienttest tests package socketio with the clients that people run:
// socket.io-client 4.0, 4.4, 4.6 and 4.8 in Node.js, and the newest in
// headless Chromium. It has no code but its tests.
//
// The parity tests compare our server with npm's: each minor version of
// socket.io-client, Debian's python-socketio (sync and asyncio), our own client in
// Go and raw frames do the same against both, and must see the same. Differences
// that are known are listed in parity_known_test.go.
//
//   - parity_test.go: kinds of client, players, traces
//   - parity_scripts_test.go: what the clients do
//   - parity_raw_test.go: frames and HTTP requests
//   - parity_server_test.go: the two servers
//   - parity_python_test.go, parity_go_test.go: the clients that are not npm's
//
// The tests need Node.js and npm, and Debian's chromium and python3-socketio, which
// are installed where apt and the rights for it are there. What is missing skips
// its tests with the reason; with CI set in the environment it fails them.
package clienttest
