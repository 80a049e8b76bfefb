package engineio

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// outbound returns how many bytes the peer of a TCP connection has acknowledged since
// the beginning, and how many it has not yet; also below TLS. It does not wait. Not ok
// is a connection of another kind, or closed.
func outbound(c net.Conn) (acked uint64, waiting int, ok bool) {
	if t, isTLS := c.(interface{ NetConn() net.Conn }); isTLS {
		c = t.NetConn()
	}
	socket, isSocket := c.(syscall.Conn)
	if !isSocket {
		return 0, 0, false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return 0, 0, false
	}
	err = raw.Control(func(fd uintptr) {
		info, infoErr := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		n, queueErr := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
		if infoErr == nil && queueErr == nil {
			acked, waiting, ok = info.Bytes_acked, n, true
		}
	})
	return acked, waiting, ok && err == nil
}
