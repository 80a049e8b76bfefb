//go:build plainsend

package engineio

import "syscall"

// send is the plain form, for bench/fanout alone: write(2) through Go's scheduler.
func send(fd uintptr, data []byte) (int, syscall.Errno) {
	n, err := syscall.Write(int(fd), data)
	errno, _ := err.(syscall.Errno)
	return max(n, 0), errno
}
