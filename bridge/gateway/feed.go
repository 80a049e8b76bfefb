package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// CatchUpHeader marks the requests by which the gateway connects a proxied
// client to the bridge for a few seconds. Options.Shed should pass such sockets
// over; it is removed from what comes in from outside.
const CatchUpHeader = "X-Bridge-Catch-Up"

// By SyncEvent the gateway asks the bridge, on one of these sockets, to send
// SyncedEvent with the same number once the socket has received all that it is
// owed by then: what it missed, for each of its subscriptions, and what was
// published since.
const (
	SyncEvent   = "bridge:sync"
	SyncedEvent = "bridge:synced"
)

// The pause after the bridge did not take the client, or let go, grows from
// the one to the other: thousands of clients may be waiting.
const (
	feedRetryMin = 100 * time.Millisecond
	feedRetryMax = time.Second
)

// errRefused is a refusal for good: the bridge does not accept this client.
var errRefused = errors.New("the bridge refuses the client")

// feed is a Socket.IO connection to the bridge on behalf of a proxied client.
type feed struct {
	g      *Gateway
	to     *catchUp
	url    string
	header http.Header
	addr   net.Addr

	ctx    context.Context
	cancel context.CancelFunc
	ended  sync.WaitGroup

	mu      sync.Mutex
	subs    [][]byte      // every subscription, for a second connection too
	changed chan struct{} // has a token when subs grew
	syncs   chan int      // numbers to send as SyncEvent
}

func newFeed(g *Gateway, r *http.Request, to *catchUp) *feed {
	query := make(url.Values)
	for name, values := range r.URL.Query() {
		query[name] = values
	}
	query.Del("t")
	query.Set("EIO", "4")
	query.Set("transport", "websocket")
	header := endToEnd(r.Header)
	for name := range header {
		if len(name) > 4 && name[:4] == "Sec-" {
			header.Del(name)
		}
	}
	header.Set(CatchUpHeader, "1")
	header.Set("Host", r.Host)
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	return &feed{
		g: g, to: to, header: header, addr: memoryAddr(r.RemoteAddr),
		url: "ws://bridge" + g.opts.Path + "/?" + query.Encode(),
		ctx: ctx, cancel: cancel, changed: make(chan struct{}, 1), syncs: make(chan int, 1),
	}
}

// start connects with the client's CONNECT packet. A pid and offset in it are
// the bridge's own where the client was there before, and make the catch-up
// exact.
func (f *feed) start(connect []byte) {
	f.ended.Go(func() { f.run(connect) })
}

// join waits for the end, after cancel.
func (f *feed) join() { f.ended.Wait() }

// send passes a packet of the client's on; false where there are too many.
func (f *feed) send(packet []byte) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.subs) == maxSubs {
		return false
	}
	f.subs = append(f.subs, packet)
	select {
	case f.changed <- struct{}{}:
	default:
	}
	return true
}

// sync sends SyncEvent, after what has been sent before; the newest number
// counts.
func (f *feed) sync(n int) {
	select {
	case <-f.syncs:
	default:
	}
	f.syncs <- n
}

// from returns the packets from the nth on.
func (f *feed) from(n int) [][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.subs[n:len(f.subs):len(f.subs)]
}

// run keeps the client connected to the bridge until cancelled or refused. A
// bridge that is just starting, or sheds its clients, is asked again.
func (f *feed) run(connect []byte) {
	pause := feedRetryMin
	for f.ctx.Err() == nil {
		err := f.connect(connect)
		if errors.Is(err, errRefused) {
			f.to.release(catchUpRefused)
			return
		}
		f.to.feedLost()
		_ = sleep(f.ctx, jitter(pause)) // the loop looks at ctx itself
		pause = min(2*pause, feedRetryMax)
	}
}

// connect is one connection, from the dial to its end.
func (f *feed) connect(packet []byte) error {
	dialer := websocket.Dialer{
		NetDialContext:   func(ctx context.Context, _, _ string) (net.Conn, error) { return f.g.local.dial(ctx, f.addr) },
		HandshakeTimeout: f.g.opts.CatchUpWait,
	}
	conn, resp, err := dialer.DialContext(f.ctx, f.url, f.header)
	if err != nil {
		if resp != nil && resp.StatusCode/100 == 4 && resp.StatusCode != http.StatusTooManyRequests {
			return errRefused
		}
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(f.ctx, func() { conn.Close() })
	defer stop()
	if _, _, err := conn.ReadMessage(); err != nil { // the open packet
		return err
	}
	if err := conn.WriteMessage(websocket.TextMessage, packet); err != nil {
		return err
	}
	var writer sync.WaitGroup
	defer writer.Wait()
	defer conn.Close() // ends the writer's write
	pongs, over := make(chan struct{}, 1), make(chan struct{})
	defer close(over)
	for {
		kind, p, err := conn.ReadMessage()
		switch {
		case err != nil:
			return err
		case kind != websocket.TextMessage:
		case isConnect(p):
			writer.Go(func() { f.write(conn, pongs, over) })
			f.to.feedAccepted()
		case isConnectError(p):
			return errRefused
		case len(p) == 1 && p[0] == '2': // ping
			select {
			case pongs <- struct{}{}:
			default:
			}
		case replayed(eventName(p)):
			f.to.feedEvent(p)
		case string(eventName(p)) == SyncedEvent:
			f.to.feedSynced(p)
		}
	}
}

// write is the only writer after the CONNECT: subscriptions and pongs.
func (f *feed) write(conn *websocket.Conn, pongs, over <-chan struct{}) {
	sent := 0
	for {
		for _, p := range f.from(sent) {
			if conn.WriteMessage(websocket.TextMessage, p) != nil {
				return // the reader sees it too
			}
			sent++
		}
		select {
		case <-f.changed:
		case n := <-f.syncs:
			// A subscription that came before it goes first.
			for _, p := range f.from(sent) {
				if conn.WriteMessage(websocket.TextMessage, p) != nil {
					return
				}
				sent++
			}
			if conn.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, "42[%q,%d]", SyncEvent, n)) != nil {
				return
			}
		case <-pongs:
			if conn.WriteMessage(websocket.TextMessage, []byte("3")) != nil {
				return
			}
		case <-over:
			return
		}
	}
}
