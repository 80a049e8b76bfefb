// Package gateway puts the bridge in front of ChatEngine: the CRM has one
// address, and behind it ChatEngine serves while it is healthy and the bridge
// while it is not.
//
// # What goes where
//
// A request to the Socket.IO path without a sid opens a session. It goes to
// ChatEngine while the state is [Upstream] or [HandingBack], and to the
// bridge's own Socket.IO server (Options.Local) while it is [Local]. Where
// ChatEngine refuses the connection, does not answer in time or answers 5xx,
// that very request is served locally: the client notices nothing. A request
// with a sid goes to whoever issued the sid. Every other path goes to
// ChatEngine, whatever the state; the bridge has nothing to answer there.
//
// # Nothing missed on the way back
//
// ChatEngine sends live events only, so a client that comes (back) to it has
// missed what was sent while it was away: about a second in a hand-back, any
// length of time after a broken connection. The gateway makes up for that: for
// the first seconds of a proxied websocket it also connects that client, with
// its own CONNECT packet, to the bridge, and feeds it from there (catch-up,
// then live) while ChatEngine's events are kept; then the kept ones are passed
// on and ChatEngine's stream runs through untouched. The client drops what it
// knows, so the overlap is harmless and the order is kept. See catchup.go.
//
// # Moving clients
//
// A client is only ever moved by closing its transport: it comes back by
// itself. A DISCONNECT or CONNECT_ERROR packet would stop it for good, and the
// gateway never writes one.
//
// # Lifecycle and concurrency
//
// [New], then [Gateway.Run] in a goroutine, [Gateway.ServeHTTP] from any
// number, [Gateway.Shutdown] at the end, because http.Server.Shutdown does not
// know hijacked connections.
//
// The package imports neither the Socket.IO server nor the source: it needs
// an http.Handler and two functions.
package gateway
