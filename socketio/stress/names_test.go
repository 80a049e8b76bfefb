package stress_test

import (
	"io"
	"log"

	"chatbridge/socketio/engineio"
)

const (
	webSocket    = "/api/ws/?EIO=4&transport=websocket"
	polling      = "/api/ws/?EIO=4&transport=polling"
	tooManyRooms = engineio.TooManyRooms
	panicked     = engineio.Panic

	writeTimeout                 = engineio.WriteTimeout
	transportError               = engineio.TransportError
	messageTimeout               = engineio.MessageTimeout
	connectRefused               = engineio.ConnectRefused
	maxUnauthenticated           = engineio.MaxUnauthenticated
	maxUnauthenticatedPerAddress = engineio.MaxUnauthenticatedPerAddress
	handshakeRatePerAddress      = engineio.HandshakeRatePerAddress
)

// discard is where the HTTP server's complaints about hostile clients go.
var discard = log.New(io.Discard, "", 0)

func copyBody(dst io.Writer, src io.Reader) (int64, error) { return io.Copy(dst, src) }
