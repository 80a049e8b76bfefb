//go:build !linux

package engineio

import (
	"errors"
	"syscall"
)

// sender is not supported on this platform: each connection is written to by drain,
// on a goroutine of its own while it has something queued.
type sender struct{}

func newSender() *sender { return nil }

func (*sender) trySend(syscall.RawConn, []byte) (int, error) { return 0, errors.ErrUnsupported }

func (*wsConn) findDescriptor() {}
