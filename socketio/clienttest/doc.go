// Package clienttest tests package socketio with the clients that people run:
// socket.io-client 4.0, 4.4, 4.6 and 4.8 in Node.js, and the newest in
// headless Chromium. It has no code but its tests.
//
// They need Node.js and npm, and for the browser Debian's chromium, which is
// installed where apt and the rights for it are there. What is missing skips
// its tests with the reason; with CI set in the environment it fails them.
package clienttest
