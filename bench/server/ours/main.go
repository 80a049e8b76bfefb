// Command ours is this repository's Socket.IO server as the benchmark runs it:
// the defaults, and one room that every client is in.
package main

import (
	"context"

	"chatbridge/bench/internal/command"
	"chatbridge/bench/internal/control"
	"chatbridge/bench/internal/event"
	"chatbridge/socketio"
)

func main() { command.Main("ours", run) }

func run(ctx context.Context, _ []string) error {
	o := socketio.DefaultOptions()
	o.Path = "/api/ws"
	server, err := socketio.New(o)
	if err != nil {
		return err
	}
	ns := server.Namespace("/")
	ns.OnConnect(func(s *socketio.Socket) { _ = s.Join("all") }) // fails if the client has gone
	all := ns.Room("all")
	publish := func(e control.Event) {
		ns.BroadcastTo(socketio.NewEvent("/", "message", event.AppendJSON(nil, e.Seq, e.Due)), all)
	}
	err = control.Run(ctx, control.Server{Handler: server, Publish: publish})
	if e := server.Shutdown(context.WithoutCancel(ctx), socketio.ShutdownOptions{}); err == nil {
		err = e
	}
	return err
}
