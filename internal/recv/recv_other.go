//go:build !linux

package recv

import (
	"errors"
	"net"
	"syscall"
)

// Read is conn.Read: only on Linux is there another way.
func Read(conn net.Conn, _ syscall.RawConn, b []byte) (int, error) { return conn.Read(b) }

func receive(uintptr, []byte) (n int, err error, done bool) { return 0, errors.ErrUnsupported, true }

func descriptor(net.Conn) syscall.RawConn { return nil }

func result(_ net.Conn, n int, callErr, _ error) (int, error) { return n, callErr }
