//go:build unix

package engineio

import (
	"syscall"
)

// rawWrite does write(2) once, without waiting. It belongs to one goroutine; its
// closure is made once, so that a write allocates nothing.
type rawWrite struct {
	call func(fd uintptr) bool
	data []byte
	n    int
	err  error
}

// write writes what the kernel takes of data at once, perhaps nothing.
func (r *rawWrite) write(ws *wsConn, data []byte) (int, error) {
	if r.call == nil {
		r.call = r.once
	}
	r.data, r.n, r.err = data, 0, nil
	if err := ws.raw.Write(r.call); err != nil {
		return 0, err
	}
	r.data = nil
	return r.n, r.err
}

// once always returns true: no waiting for the kernel to take more.
func (r *rawWrite) once(fd uintptr) bool {
	for {
		n, err := syscall.Write(int(fd), r.data)
		switch err {
		case nil:
			r.n = n
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
		default:
			r.err = err
		}
		return true
	}
}

// canWriteRaw tells that connections with a file descriptor are written to by
// [rawWrite].
const canWriteRaw = true
