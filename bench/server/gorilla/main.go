// Command gorilla is the least that a Go server can do: gorilla/websocket, a
// goroutine that reads each connection, and a loop that writes one prepared
// frame to all of them. It speaks no protocol above WebSocket, has no queue,
// and waits for each client in turn. The benchmark compares with it.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/gorilla/websocket"

	"chatbridge/bench/internal/control"
	"chatbridge/bench/internal/event"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	h := &hub{conns: map[*websocket.Conn]struct{}{}}
	if err := control.Run(ctx, control.Server{Handler: h, Publish: h.publish}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type hub struct {
	upgrader websocket.Upgrader
	mu       sync.Mutex
	conns    map[*websocket.Conn]struct{}
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := h.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	h.mu.Lock()
	h.conns[c] = struct{}{}
	h.mu.Unlock()
	for {
		if _, _, err := c.ReadMessage(); err != nil {
			break
		}
	}
	h.mu.Lock()
	delete(h.conns, c)
	h.mu.Unlock()
	_ = c.Close()
}

func (h *hub) publish(seq, due uint64) {
	frame, err := websocket.NewPreparedMessage(websocket.TextMessage, event.AppendPacket(nil, seq, due))
	if err != nil {
		panic(err) // a text message can be prepared
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.conns {
		// A failed write ends the read loop as well, which removes c.
		_ = c.WritePreparedMessage(frame)
	}
}
