package socketio

import (
	"errors"

	"chatbridge/socketio/engineio"
)

// Reason says why a connection ended; its String is a stable label.
type Reason = engineio.Reason

var (
	// ErrRetry, returned or wrapped by an OnAuth hook, closes the transport and
	// sends nothing: the client comes back by itself. Clients do not come back
	// after a CONNECT_ERROR.
	ErrRetry = errors.New("client shall retry")
	// ErrClosed: the socket has ended.
	ErrClosed = errors.New("socket closed")
	// ErrNoAck: the client asked for no acknowledgement, or has had it.
	ErrNoAck = errors.New("no acknowledgement wanted")
	// ErrTooManyRooms: Options.MaxRooms is reached.
	ErrTooManyRooms = errors.New("too many rooms")
)

// ConnectError refuses a CONNECT for good: the client gets a CONNECT_ERROR packet
// with the message and, unless nil, the data, and does not try again. Any other
// error of an OnAuth hook but [ErrRetry] is sent as "Internal error" without
// data and logged.
type ConnectError struct {
	Message string
	Data    any
}

// Error returns the message.
func (e *ConnectError) Error() string { return e.Message }

func (e *ConnectError) payload() ([]byte, error) {
	return marshal(struct {
		Message string `json:"message"`
		Data    any    `json:"data,omitempty"`
	}{e.Message, e.Data})
}
