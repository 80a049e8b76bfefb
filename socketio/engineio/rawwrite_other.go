//go:build !linux

package engineio

import "errors"

// rawWrite is not to be had here: each connection is written to by a goroutine of
// its own while it has something queued.
func (*wsConn) rawWrite([]byte) (int, error) { return 0, errors.ErrUnsupported }

func (*wsConn) findDescriptor() {}
