//go:build !unix

package engineio

import "errors"

// rawWrite is not to be had here: each connection is written to by a goroutine
// of its own while it has something queued.
type rawWrite struct{}

func (*rawWrite) write(*wsConn, []byte) (int, error) { return 0, errors.ErrUnsupported }

const canWriteRaw = false
