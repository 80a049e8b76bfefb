// Command centrifuge is a server of centrifugal/centrifuge, the library that Centrifugo is
// made of: each client is subscribed by the server to the channel of the room that its
// query names. It is a module of its own, so that the bridge needs none of it.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"

	"github.com/centrifugal/centrifuge"

	"chatbridge/bench/internal/command"
	"chatbridge/bench/internal/control"
	"chatbridge/bench/internal/event"
)

func main() { command.Main("centrifuge", run) }

// room is what the request's context has the channel under.
type room struct{}

func run(ctx context.Context, _ []string) error {
	node, err := centrifuge.New(centrifuge.Config{})
	if err != nil {
		return err
	}
	node.OnConnecting(func(ctx context.Context, _ centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		channel, _ := ctx.Value(room{}).(string)
		return centrifuge.ConnectReply{
			Credentials:   &centrifuge.Credentials{},
			Subscriptions: map[string]centrifuge.SubscribeOptions{channel: {}},
			// The load generator counts frames. At the rates of its scenes a client
			// seldom has two messages waiting.
			MaxMessagesInFrame: 1,
		}, nil
	})
	if err := node.Run(); err != nil {
		return err
	}
	websocket := centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{})
	return control.Run(ctx, control.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n, err := strconv.Atoi(r.FormValue("room"))
			if err != nil {
				n = -1 // everybody's
			}
			websocket.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), room{}, control.Workspace(n))))
		}),
		Publish: func(e control.Event) {
			if _, err := node.Publish(control.Workspace(e.Room), event.AppendJSON(nil, e.Seq, e.Due)); err != nil {
				fmt.Fprintln(os.Stderr, "publish:", err)
			}
		},
	})
}
