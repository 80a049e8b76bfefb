package api

import (
	"context"
	"math/rand/v2"
	"time"

	"chatbridge/bridge/hub"
	"chatbridge/socketio"
	"chatbridge/socketio/engineio"
)

// While the bridge is on standby, drainBatch clients are closed every
// drainInterval.
const (
	drainBatch    = 50
	drainInterval = 500 * time.Millisecond
)

// drainOnStandby closes the clients' transports, in batches, while another
// bridge follows the database: they would see nothing more here.
func (s *Server) drainOnStandby(ctx context.Context) {
	tick := time.NewTicker(drainInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if s.opts.Source.Standby() {
				s.Shed(drainBatch)
			}
		}
	}
}

// Shed closes the transports of up to n clients chosen at random, so that they
// come back elsewhere, and returns how many. The gateway's own feeds are not
// closed. Safe for concurrent use.
func (s *Server) Shed(n int) int {
	var sockets []*socketio.Socket
	for socket := range s.io.Namespace(hub.Namespace).Sockets() {
		if c, ok := socket.Data().(*client); ok && !c.Feed {
			sockets = append(sockets, socket)
		}
	}
	rand.Shuffle(len(sockets), func(i, j int) { sockets[i], sockets[j] = sockets[j], sockets[i] })
	sockets = sockets[:min(n, len(sockets))]
	for _, socket := range sockets {
		socket.Close(engineio.Shed)
	}
	return len(sockets)
}
