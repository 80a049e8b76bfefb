package socketio_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"chatbridge/socketio"
)

// A chat: whoever has the password joins a room of their choice and talks to it.
func Example() {
	options := socketio.DefaultOptions()
	options.Path = "/chat"
	options.CheckOrigin = func(origin string) bool { return origin == "https://chat.example" }
	options.Recovery.Enabled = true
	server, err := socketio.New(options)
	if err != nil {
		fmt.Println(err) // it names the option that is wrong
		return
	}
	chat := server.Namespace("/")
	chat.OnAuth(func(_ context.Context, h *socketio.Handshake) (any, error) {
		var auth struct{ Password string }
		if err := json.Unmarshal(h.Auth, &auth); err != nil || auth.Password != "secret" {
			return nil, &socketio.ConnectError{Message: "wrong password"}
		}
		return nil, nil
	})
	chat.OnEvent(func(s *socketio.Socket, e *socketio.Event) {
		var room string
		switch {
		case len(e.Args) == 0 || json.Unmarshal(e.Args[0], &room) != nil:
			_ = e.Ack("give a room")
		case e.Name == "join" && errors.Is(s.Join(room), socketio.ErrTooManyRooms):
			_ = e.Ack("that is enough")
		case e.Name == "say" && len(e.Args) == 2:
			chat.Broadcast(socketio.NewEvent("/", "said", e.Args[1]), room)
		}
	})

	web := &http.Server{Addr: "localhost:8080", Handler: server, ReadHeaderTimeout: 10 * time.Second}
	web.RegisterOnShutdown(func() { // http.Server leaves WebSockets alone
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = server.Shutdown(ctx, socketio.ShutdownOptions{Batch: 100, Interval: 100 * time.Millisecond})
	})
	fmt.Println(web.ListenAndServe())
}
