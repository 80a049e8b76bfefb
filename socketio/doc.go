// Package socketio is the server side of Socket.IO protocol 5 over Engine.IO 4:
// namespaces, an authentication hook, events and acknowledgements both ways,
// binary attachments, rooms and connection-state recovery.
//
// # Use
//
//	server, err := socketio.New(socketio.DefaultOptions())
//	ns := server.Namespace("/")
//	ns.OnAuth(func(ctx context.Context, h *socketio.Handshake) (any, error) { ... })
//	ns.OnConnect(func(s *socketio.Socket) { s.Join("news") })
//	ns.OnEvent(func(s *socketio.Socket, e *socketio.Event) { e.Ack("seen") })
//	http.Handle("/", server)
//	ns.Broadcast(socketio.NewEvent("/", "news", []byte(`{"id":1}`)), "news")
//
// # Concurrency
//
// Set a namespace's callbacks before the server gets its first request; all
// other methods may be called from any goroutine. The callbacks of one
// connection run one at a time: OnConnect, then its events in the order of the
// wire, then OnDisconnect. A callback that blocks holds back its own client
// alone. Sends and broadcasts that reach a socket leave in the order of the
// calls, and a Join that has returned is seen by every Broadcast called after.
//
// # Slow and hostile clients
//
// Nothing here waits for a client: what is sent goes to the bounded queue of the
// connection. A client that breaks the protocol or a limit has its transport
// closed, which tells it to come back, and the [Reason] is counted in [Stats].
//
// # Lifecycle
//
// [Server.Shutdown] ends all connections and returns when every goroutine the
// server started has ended.
//
// The package knows nothing of Postgres or of the application; it imports
// engineio and parser below it, and gorilla/websocket through engineio.
package socketio
