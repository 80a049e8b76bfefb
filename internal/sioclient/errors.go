package sioclient

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

var (
	// ErrDisconnected is the server's DISCONNECT packet: it wants the client
	// gone, and socket.io-client does not come back.
	ErrDisconnected = errors.New("the server disconnected the client for good")
	// ErrNotConnected: there is no connection to send on now.
	ErrNotConnected = errors.New("not connected")
	// ErrPingTimeout: no heartbeat came within the server's own ping interval and
	// time-out.
	ErrPingTimeout = errors.New("no heartbeat from the server")
)

// HandshakeError is an HTTP answer in place of the upgrade. A client tries again.
type HandshakeError struct {
	Status int
	Text   string // the status line's, such as "404 Not Found"
	Header http.Header
	// Body is the answer's, its first 4 KiB at most.
	Body []byte
}

// Error gives the status and the body's beginning.
func (e *HandshakeError) Error() string {
	return fmt.Sprintf("connect: the server answers %s %q", e.Text, e.Body[:min(len(e.Body), 200)])
}

// ConnectError is the server's CONNECT_ERROR packet: a refusal for good.
type ConnectError struct {
	Message string
	// Data is what the server added, such as {"code": …}; nil if nothing.
	Data json.RawMessage
}

// Code returns the code in Data, "" if there is none.
func (e *ConnectError) Code() string {
	var d struct {
		Code string `json:"code"`
	}
	_ = json.Unmarshal(e.Data, &d)
	return d.Code
}

// Error gives the message and the code.
func (e *ConnectError) Error() string {
	if code := e.Code(); code != "" {
		return fmt.Sprintf("the server refuses: %s (%s)", e.Message, code)
	}
	return "the server refuses: " + e.Message
}

// final tells the errors after which a client does not come back.
func final(err error) bool {
	var refused *ConnectError
	return errors.As(err, &refused) || errors.Is(err, ErrDisconnected)
}
