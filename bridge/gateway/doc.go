// Package gateway puts the bridge in front of ChatEngine: the CRM has one
// address, and behind it ChatEngine serves while it is healthy and the bridge
// while it is not.
//
// A request to the Socket.IO path without a sid opens a session. It goes to
// ChatEngine while the state is [Upstream] or [HandingBack], and to the
// bridge's own Socket.IO server (Options.Local) while it is [Local]. Where
// ChatEngine refuses the connection, does not answer in time or answers 5xx,
// that very request is served locally: the client notices nothing. A request
// with a sid goes to whoever issued the sid. Every other path goes to
// ChatEngine, whatever the state, but for what Options.Rest answers: that is answered by
// it while the state is Local, and where ChatEngine fails a request that only reads.
// Webhooks (Options.Webhooks) that ChatEngine cannot take are kept, and sent later.
//
// What clients' requests come to never decides the state: a client can make any
// one of them fail. Only one without a body that opens a session says something of
// ChatEngine, and it is a reason to look: the gateway's own probe and its own
// WebSocket decide. Requests are passed on as they were written, byte for byte.
//
// A client is only ever moved by closing its transport: it comes back by
// itself. A DISCONNECT or CONNECT_ERROR packet would stop it for good, and the
// gateway never writes one. What a client missed before it came (back) to
// ChatEngine, which sends live events only, the hand-over adds (package
// handover).
//
// # Files
//
//	gateway.go         Gateway: which request goes where, Run, Shutdown
//	options.go         Options, their defaults and checks
//	admission.go       what is admitted at all: addresses, origins, limits
//	refuse.go          why a request is not passed on, and the answer
//	loop.go            a gateway that leads to itself
//	state.go           State, Mode, Status
//	statemachine.go    the state machine: transitions and what leads to them; pure
//	monitor.go         the machine for concurrent use; failed sessions
//	health.go          when ChatEngine is probed, and what follows
//	move.go            clients that are moved, in batches
//	upstream.go        ChatEngine's address, dialing, the upgrade handshake
//	upstream_probe.go  the health probe and the trial WebSocket
//	websocket.go       proxied WebSockets: the upgrade
//	tunnel.go          proxied WebSockets: the bytes
//	texts.go           the texts that pass, and what becomes of them
//	packetlimit.go     proxied WebSockets: how much a client may send
//	http.go            proxied polls and all other requests
//	rest.go            what the bridge answers of ChatEngine's REST interface
//	webhooks.go        webhooks, which are kept while ChatEngine cannot take them
//	forwardedheaders.go X-Forwarded-*, hop-by-hop headers
//	sessions.go        ChatEngine's polling sessions, as far as they are known
//	connections.go     what is proxied, to be closed from outside
//	admin.go           the operator's /gateway
//	stats.go           counters
//	handover/          brings clients that come to ChatEngine up to date
//	frame/             WebSocket frames
//	spool/             keeps webhooks on disk and sends them later
//
// # Lifecycle and concurrency
//
// [New], then [Gateway.Run] in a goroutine, [Gateway.ServeHTTP] from any
// number, [Gateway.Shutdown] at the end, because http.Server.Shutdown does not
// know hijacked connections. Run owns three goroutines: health probes, moves,
// the bridge's server for hand-overs. A proxied WebSocket has two: the request's
// own copies from ChatEngine, a second one from the client; the first waits for
// the second, and Shutdown for the first.
//
// Locks: tunnel.mu may be taken under connections.mu and under a hand-over's, no
// other under another. monitor.mu is held while the machine is used, never while a
// change is announced; connections.mu while connections are closed; tunnel.mu
// while deadlines are set, never during a read or write; admission.mu while its
// counts are used; sessions.mu while they are; passedTexts.mu while Options.Texts is told.
//
// The package imports neither the Socket.IO server nor the source: it needs
// an http.Handler and functions.
package gateway
