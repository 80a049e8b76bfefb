package bridge

import (
	"container/list"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"chatbridge/bridge/access"
	"chatbridge/internal/clientkey"
)

// heads bounds, for each client address (IPv6: each /64), the connections whose first
// request has no complete head yet, TLS handshakes included: the limits on requests do not
// count them. Past the bound the oldest connection of the address is closed, because an
// honest client sends its head at once. Trusted proxies have no bound: they connect for
// many clients. Its methods are safe for concurrent use.
type heads struct {
	most    atomic.Int64 // 0: no bound
	trusted access.Addresses
	log     *slog.Logger
	closed  atomic.Uint64
	logged  atomic.Bool

	mu sync.Mutex
	// waiting are the connections of each address, the oldest in front; at is where
	// each one is.
	waiting map[netip.Addr]*list.List
	at      map[net.Conn]headless
}

// headless is a connection in the list of its address.
type headless struct {
	address netip.Addr
	element *list.Element
}

func newHeads(most int, trusted access.Addresses, log *slog.Logger) *heads {
	h := &heads{trusted: trusted, log: log, waiting: make(map[netip.Addr]*list.List), at: make(map[net.Conn]headless)}
	h.set(most)
	return h
}

// set changes the bound of each address; 0 for none.
func (h *heads) set(most int) { h.most.Store(int64(most)) }

// accepted takes note of a new connection.
func (h *heads) accepted(c net.Conn) {
	tcp, is := c.RemoteAddr().(*net.TCPAddr)
	if !is {
		return
	}
	ip, _ := netip.AddrFromSlice(tcp.IP)
	if h.trusted.Contain(ip) {
		return
	}
	if oldest := h.add(clientkey.Of(ip), c); oldest != nil {
		h.closed.Add(1)
		if !h.logged.Swap(true) {
			h.log.Warn("an address opens connections and does not send its requests: its oldest are closed", "client", ip.Unmap().String(),
				"limit", h.most.Load(), "remedy", "nothing, where it is no proxy of yours: name that in proxies.trusted; limits.unauthenticated_per_address is the limit")
		}
		// Close the TCP connection: closing the TLS one would write an alert, and this is
		// the goroutine that accepts connections.
		if t, is := oldest.(interface{ NetConn() net.Conn }); is {
			oldest = t.NetConn()
		}
		_ = oldest.Close() // the server finds it closed, and forgets it
	}
}

// add adds a connection of an address. If the address is past its bound, add removes and
// returns its oldest connection, else nil.
func (h *heads) add(address netip.Addr, c net.Conn) (oldest net.Conn) {
	most := int(h.most.Load())
	h.mu.Lock()
	defer h.mu.Unlock()
	of := h.waiting[address]
	if of == nil {
		of = list.New()
		h.waiting[address] = of
	}
	h.at[c] = headless{address, of.PushBack(c)}
	if most <= 0 || of.Len() <= most {
		return nil
	}
	oldest, _ = of.Front().Value.(net.Conn)
	h.remove(oldest)
	return oldest
}

// forget forgets a connection whose first request has begun, or that has ended.
func (h *heads) forget(c net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.remove(c)
}

func (h *heads) remove(c net.Conn) {
	at, waits := h.at[c]
	if !waits {
		return
	}
	delete(h.at, c)
	of := h.waiting[at.address]
	if of.Remove(at.element); of.Len() == 0 {
		delete(h.waiting, at.address)
	}
}
