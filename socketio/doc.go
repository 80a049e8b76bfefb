// Package socketio is the server side of Socket.IO protocol 5 over Engine.IO 4:
// namespaces, an authentication hook, events with acknowledgements, binary
// attachments, rooms and connection-state recovery.
//
// # Use
//
//	server, err := socketio.New(socketio.DefaultOptions())
//	ns := server.Namespace("/")
//	ns.OnAuth(func(ctx context.Context, h *socketio.Handshake) (any, error) { ... })
//	ns.OnConnect(func(s *socketio.Socket) { s.Join("updates") })
//	ns.OnEvent(func(s *socketio.Socket, e *socketio.Event) { e.Ack("seen") })
//	http.Handle("/", server)
//	ns.Broadcast(socketio.NewEvent("/", "update", []byte(`{"id":1}`)), "updates")
//
// # Files
//
//	server.go     Server: New, ServeHTTP, Shutdown, CloseSome
//	options.go    Options, Recovery: defaults and checks
//	client.go     one connection: its packets, its sockets, how callbacks are called
//	connect.go    CONNECT: OnAuth, CONNECT_ERROR, OnConnect
//	handshake.go  the first request, as OnAuth gets it
//	namespace.go  Namespace: callbacks, the sockets in it
//	socket.go     Socket: ids, Send, Emit, Disconnect
//	event.go      Event of a client, and its acknowledgement
//	packet.go     Packet: an event, encoded once
//	room.go       rooms: Join, Leave, handles
//	broadcast.go  one packet to the sockets of some rooms
//	recovery.go   sessions of disconnected clients, and who gets one back
//	stats.go      counters
//	errors.go     errors, ConnectError
//
// # Lifecycle
//
// Engine.IO opens a session (client.go), whose client has ConnectTimeout to send a
// CONNECT, and may send nothing else; the third that is refused ends it. OnAuth runs on a goroutine of its own; then the socket is in the
// namespace until the client disconnects, [Socket.Disconnect], or the end of the
// connection. A socket is disconnected, a connection is closed: the latter
// disconnects all sockets of the client. [Server.Shutdown] closes all connections
// and returns when every goroutine that the server started has ended.
//
// # Goroutines
//
// The package starts goroutines through the engine alone, which waits for them:
// one for each running OnAuth, and one for an OnDisconnect that does not follow from
// a packet of the client. All others belong to engineio.
//
// # Concurrency
//
// Set a namespace's callbacks before the server gets its first request; all
// other methods may be called from any goroutine. The callbacks of one
// connection run one at a time: OnConnect, then its events in the order of the
// wire, then OnDisconnect. A callback that blocks delays its own client
// alone. Sends and broadcasts that reach a socket leave in the order of the
// calls, and a Join that has returned is seen by every Broadcast called after.
//
// Nothing waits for a client: what is sent goes to the bounded queue of the
// connection. A client that breaks the protocol or a limit has its connection
// closed, after which it comes back, and the [Reason] is counted in [Stats].
//
// # Locks
//
// In this order: client.callbacks, client.mu, Namespace.mu, and those of engineio.
//
//   - client.callbacks is held while OnConnect, OnEvent, OnDisconnect or
//     a hook of Recovery runs for the client, and no other lock is. OnAuth and
//     OnQueueFull run without any lock of this package taken by it
//     (TestCallbacksRunWithoutLocks).
//   - Namespace.mu is held over a broadcast and over joining and leaving, so that
//     they have one order; never over a callback or a system call.
//   - Server.mu and sessionStore.mu are leaves: nothing is locked below them.
//
// The package knows nothing of Postgres or of the application. It imports engineio,
// parser and internal/jsonscan, and must not import anything else of this module.
package socketio
