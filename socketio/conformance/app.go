package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"chatbridge/socketio"
	"chatbridge/socketio/engineio"
)

// path is where the clients connect, with and without a trailing slash.
const path = "/api/ws"

// app is what one mode serves.
type app struct {
	http.Handler
	shutdown func(context.Context) error
}

func newApp(mode string) (app, error) {
	switch mode {
	case "socketio":
		return newSocketIO(socketIOOptions())
	case "engineio":
		return newEngineIO(engineIOOptions())
	}
	return app{}, fmt.Errorf("unknown mode %q: choose socketio or engineio", mode)
}

// engineIOOptions are the times and sizes that the suites are written for.
func engineIOOptions() engineio.Options {
	o := engineio.DefaultOptions()
	o.PingInterval = 300 * time.Millisecond
	o.PingTimeout = 200 * time.Millisecond
	o.MaxPayload = 1_000_000
	return o
}

func socketIOOptions() socketio.Options {
	o := socketio.DefaultOptions()
	o.Options = engineIOOptions()
	o.Path = path
	o.ConnectTimeout = time.Second
	return o
}

// authDelay keeps the event "auth" from reaching the client in one read with the
// CONNECT packet before it.
//
// The Socket.IO suite adds its listener for the second packet after it has handled
// the first. A browser dispatches each message in a task of its own, and none is
// lost. The ws package from 8.17 on emits all messages of one read at once unless
// allowSynchronousEvents is off, and the second is lost. Node's server has no remedy:
// it writes the second packet one turn of its event loop after the first, which is
// late enough in most cases. Measured over 100 connections with ws 8.23 and its
// defaults, on a busy machine: Node's server loses 19 to 31 with two cores and 41 to
// 45 with one; this one all without the delay, 0 to 14 with 1 ms and none with 5 ms.
// With allowSynchronousEvents off neither loses any.
const authDelay = 5 * time.Millisecond

// newSocketIO serves the Socket.IO suite.
func newSocketIO(o socketio.Options) (app, error) {
	server, err := socketio.New(o)
	if err != nil {
		return app{}, err
	}
	for _, name := range []string{"/", "/custom"} {
		ns := server.Namespace(name)
		// Errors of a send say that the client has gone, which is its right.
		ns.OnConnect(func(s *socketio.Socket) {
			time.Sleep(authDelay)
			_ = s.Emit("auth", s.Handshake().Auth)
		})
		ns.OnEvent(func(s *socketio.Socket, e *socketio.Event) {
			switch e.Name {
			case "message":
				_ = s.Send(socketio.NewBinaryEvent(name, "message-back", e.Attachments, raw(e.Args)...))
			case "message-with-ack":
				_ = e.AckBinary(e.Attachments, e.Args...)
			}
		})
	}
	shutdown := func(ctx context.Context) error { return server.Shutdown(ctx, socketio.ShutdownOptions{}) }
	return app{server, shutdown}, nil
}

// raw is a list of JSON values as plain bytes.
func raw[T ~[]byte](values []T) [][]byte {
	b := make([][]byte, len(values))
	for i, v := range values {
		b[i] = v
	}
	return b
}

// newEngineIO serves the Engine.IO suite.
func newEngineIO(o engineio.Options) (app, error) {
	server, err := engineio.NewServer(o, echo{})
	if err != nil {
		return app{}, err
	}
	mux := http.NewServeMux()
	mux.Handle(path, server)
	mux.Handle(path+"/", server)
	shutdown := func(ctx context.Context) error { return server.Shutdown(ctx, 0, 0) }
	return app{mux, shutdown}, nil
}

// echo sends each message back to where it came from.
type echo struct{}

func (echo) Open(s *engineio.Session, _ *http.Request) engineio.Receiver { return echoSession{s} }

type echoSession struct{ session *engineio.Session }

func (e echoSession) Message(data []byte, binary bool) {
	if binary {
		e.session.Send(engineio.NewMessage(nil, data))
		return
	}
	e.session.Send(engineio.NewMessage(data))
}

func (echoSession) Close(engineio.Reason) {}
