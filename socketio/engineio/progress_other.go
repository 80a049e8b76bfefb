//go:build !linux

package engineio

import "net"

// outbound is not supported on this platform: a write is bounded by WriteTimeout.
func outbound(net.Conn) (acked uint64, waiting int, ok bool) { return 0, 0, false }
