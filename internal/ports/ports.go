// Package ports finds ports of 127.0.0.1 that stay free: for programs that have to be
// told their port, and for servers that come back at the port they had.
//
// The port that listening at port 0 gives is the kernel's to give again once it is
// closed, to another listener or as the source of a connection; on a machine with many
// connections that happens. A client that tries such a port while nobody listens may
// even be connected with itself. So these are of another range.
//
// Functions may be called from any goroutine. The package is test support: cmd/bridge
// does not import it.
package ports

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync"
)

// first is the lowest port that is given. Those below are of well-known services, and
// one that browsers refuse, 10080.
const first = 11_000

// given are the ports that this process was given already.
var given sync.Map

// Listen listens at a port that the kernel gives to nobody by itself, and that this
// process was not given before. It is free again once the listener is closed.
func Listen() (net.Listener, error) {
	low := ephemeral()
	var err error
	for range 1000 {
		port := first + rand.IntN(low-first)
		if _, again := given.LoadOrStore(port, true); again {
			continue
		}
		var ln net.Listener
		if ln, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return ln, nil
		}
	}
	return nil, fmt.Errorf("no free port of 127.0.0.1 from %d to %d: %w", first, low-1, err)
}

// Free returns an address 127.0.0.1:port at which nobody listens, of a port as Listen
// takes one.
func Free() (addr string, err error) {
	ln, err := Listen()
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// ephemeral returns the lowest port that the kernel gives: of Linux, as it is set;
// elsewhere, and where that leaves no room below it, the usual one.
func ephemeral() int {
	var low int
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err == nil {
		_, err = fmt.Sscan(string(b), &low)
	}
	if err != nil || low < first+1000 {
		return 32_768
	}
	return low
}
