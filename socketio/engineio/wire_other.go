//go:build !linux

package engineio

import (
	"crypto/tls"
	"net"
)

// NewTLSListener is tls.NewListener: only on Linux is there another way.
func NewTLSListener(l net.Listener, config *tls.Config) net.Listener {
	return tls.NewListener(l, config)
}

// wire is not supported on this platform: there is none.
type wire struct{}

type wireState uint8

const (
	wireWaits wireState = iota
	wireOwn
)

func (*wire) kept() int                              { return 0 }
func (*wire) set(wireState)                          {}
func (*wire) flushSome(int) error                    { return nil }
func (*wire) tryWrite(net.Conn, []byte) (int, error) { return 0, nil }
func (*wire) cut(bool)                               {}
