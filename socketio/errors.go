package socketio

import (
	"errors"

	"chatbridge/internal/jsonscan"
	"chatbridge/socketio/engineio"
)

// Reason says why a connection ended; its String is a stable label.
type Reason = engineio.Reason

var (
	// ErrRetry, returned or wrapped by an OnAuth hook, closes the connection and
	// sends nothing: the client comes back by itself. Clients do not come back
	// after a CONNECT_ERROR.
	ErrRetry = errors.New("client shall retry")
	// ErrClosed: the socket is disconnected or its connection closing.
	ErrClosed = errors.New("socket closed")
	// ErrQueueFull: the packet was not queued, and OnQueueFull returned true.
	ErrQueueFull = errors.New("socket's queue is full")
	// ErrNoAck: the client asked for no acknowledgement, or it was sent already.
	ErrNoAck = errors.New("no acknowledgement wanted")
	// ErrNamespace: the packet is of another namespace.
	ErrNamespace = errors.New("packet of another namespace")
	// ErrTooManyRooms: Options.MaxRooms is reached.
	ErrTooManyRooms = errors.New("too many rooms")

	errInvalidJSON = errors.New("argument is not valid JSON")
)

// ConnectError refuses a CONNECT for good: the client gets a CONNECT_ERROR packet
// with the message and, unless nil, the data, and does not try again. Any other
// error of an OnAuth hook has the effect of [ErrRetry] and is logged: a client must
// come back after an error of the server.
type ConnectError struct {
	Message string
	Data    any
}

// Error returns the message.
func (e *ConnectError) Error() string { return e.Message }

func (e *ConnectError) payload() ([]byte, error) {
	return jsonscan.Marshal(struct {
		Message string `json:"message"`
		Data    any    `json:"data,omitempty"`
	}{e.Message, e.Data})
}
