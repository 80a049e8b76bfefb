package postgres

import "syscall"

// setLowWater sets how many bytes must have arrived before a reader of the socket
// is woken (socket(7), SO_RCVLOWAT; for poll and epoll since Linux 2.6.28).
func setLowWater(socket syscall.RawConn, bytes int) error {
	var set error
	if err := socket.Control(func(fd uintptr) {
		set = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, bytes)
	}); err != nil {
		return err
	}
	return set
}
