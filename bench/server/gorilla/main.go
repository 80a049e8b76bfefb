// Command gorilla is the least that a Go server can do: gorilla/websocket, a
// goroutine that reads each connection, and a loop that writes one prepared
// frame to all connections of a room, which each names in its query. It speaks no protocol above WebSocket, has no queue,
// and waits for each client in turn. The benchmark compares with it.
package main

import (
	"context"
	"net/http"
	"strconv"
	"sync"

	"github.com/gorilla/websocket"

	"chatbridge/bench/internal/command"
	"chatbridge/bench/internal/control"
	"chatbridge/bench/internal/event"
)

func main() {
	h := &hub{rooms: map[int]map[*websocket.Conn]struct{}{}}
	command.Main("gorilla", func(ctx context.Context, _ []string) error {
		return control.Run(ctx, control.Server{Handler: h, Publish: h.publish})
	})
}

type hub struct {
	upgrader websocket.Upgrader
	mu       sync.Mutex
	rooms    map[int]map[*websocket.Conn]struct{}
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	room, err := strconv.Atoi(r.FormValue("room"))
	if err != nil {
		room = -1 // everybody's
	}
	c, err := h.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	h.mu.Lock()
	if h.rooms[room] == nil {
		h.rooms[room] = map[*websocket.Conn]struct{}{}
	}
	h.rooms[room][c] = struct{}{}
	h.mu.Unlock()
	for {
		if _, _, err := c.ReadMessage(); err != nil {
			break
		}
	}
	h.mu.Lock()
	delete(h.rooms[room], c)
	h.mu.Unlock()
	_ = c.Close()
}

func (h *hub) publish(e control.Event) {
	frame, err := websocket.NewPreparedMessage(websocket.TextMessage, event.AppendPacket(nil, e.Seq, e.Due))
	if err != nil {
		panic(err) // a text message can be prepared
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.rooms[e.Room] {
		// A failed write ends the read loop as well, which removes c.
		_ = c.WritePreparedMessage(frame)
	}
}
