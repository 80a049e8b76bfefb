package handover

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"chatbridge/internal/retry"

	"github.com/gorilla/websocket"
)

// Header marks the requests by which a feed connects to the bridge. Its value is
// a secret of the process: who else sends the header is a client like any other.
const Header = "X-Bridge-Catch-Up"

var secret = rand.Text()

// Mark sets the mark in a feed's headers.
func Mark(h http.Header) { h.Set(Header, secret) }

// IsFeed reports whether a request with these headers is a feed's.
func IsFeed(h http.Header) bool {
	return subtle.ConstantTimeCompare([]byte(h.Get(Header)), []byte(secret)) == 1
}

// By SyncEvent a feed asks the bridge to send SyncedEvent with the same number
// once the socket has received all that it is owed by then: what it missed, for
// each of its subscriptions, and what was published since.
const (
	SyncEvent   = "bridge:sync"
	SyncedEvent = "bridge:synced"
)

const (
	// maxSubscriptions bounds what the client may subscribe to during a
	// hand-over, maxSubscription the packet of one, in bytes: an id of 128 bytes,
	// each escaped, fits. The packets are kept until the hand-over ends.
	maxSubscriptions = 256
	maxSubscription  = 1 << 10
	// maxConnect bounds the client's CONNECT, in bytes; the bridge takes no larger
	// one.
	maxConnect = 32 << 10
	// The pause after the bridge did not accept the client, or closed the
	// connection, grows from the one to the other: thousands of clients may be
	// waiting.
	feedRetryMin = 100 * time.Millisecond
	feedRetryMax = time.Second
)

// errRefused is a refusal for good: the bridge does not accept this client.
var errRefused = errors.New("the bridge refuses the client")

// feed is a Socket.IO connection to the bridge on behalf of a client. start is
// called at most once; send and sync are safe for concurrent use.
type feed struct {
	to     *Handover
	url    string
	header http.Header
	addr   net.Addr

	ctx    context.Context
	cancel context.CancelFunc
	ended  sync.WaitGroup

	mu            sync.Mutex
	subscriptions [][]byte      // all of them, for a second connection too
	changed       chan struct{} // has a token when subscriptions grew
	syncs         chan int      // numbers from 1 on, to send as SyncEvent
}

func newFeed(r *http.Request, header http.Header, to *Handover) *feed {
	query := make(url.Values)
	for name, values := range r.URL.Query() {
		query[name] = values
	}
	query.Del("t")
	query.Set("EIO", "4")
	query.Set("transport", "websocket")
	for name := range header {
		if strings.HasPrefix(name, "Sec-") {
			header.Del(name)
		}
	}
	header.Del(SinceHeader)
	Mark(header)
	header.Set("Host", r.Host)
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	return &feed{
		to: to, header: header, addr: pipeAddr(r.RemoteAddr),
		url: "ws://bridge" + to.service.opts.Path + "/?" + query.Encode(),
		ctx: ctx, cancel: cancel, changed: make(chan struct{}, 1), syncs: make(chan int, 1),
	}
}

// start connects with the client's CONNECT packet. A pid and offset in it are
// the bridge's own where the client was there before, and make the replay exact.
// since is the client's, "" for none.
func (f *feed) start(connect []byte, since string) {
	if since != "" {
		f.header.Set(SinceHeader, since)
	}
	f.ended.Go(func() { f.run(connect) })
}

// join waits for the end, after cancel.
func (f *feed) join() { f.ended.Wait() }

// send passes a subscription of the client's on; false where there are too many, or
// it is too large.
func (f *feed) send(packet []byte) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.subscriptions) == maxSubscriptions || len(packet) > maxSubscription {
		return false
	}
	// A copy: the frame may be a part of something larger.
	f.subscriptions = append(f.subscriptions, bytes.Clone(packet))
	select {
	case f.changed <- struct{}{}:
	default:
	}
	return true
}

// sync sends SyncEvent, after the subscriptions so far; the newest number
// counts.
func (f *feed) sync(n int) {
	select {
	case <-f.syncs:
	default:
	}
	f.syncs <- n
}

// end closes the connection, and drops the subscriptions: the caller of the
// hand-over may keep it for as long as the client is connected.
func (f *feed) end() {
	f.cancel()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.subscriptions = nil
}

// from returns the subscriptions from the nth on.
func (f *feed) from(n int) [][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	n = min(n, len(f.subscriptions))
	return f.subscriptions[n:len(f.subscriptions):len(f.subscriptions)]
}

// run keeps the client connected to the bridge until cancelled or refused. A
// bridge that is just starting, or closes its clients, is asked again.
func (f *feed) run(connect []byte) {
	pause := retry.Backoff{Min: feedRetryMin, Max: feedRetryMax}
	for f.ctx.Err() == nil {
		err := f.connect(connect)
		if errors.Is(err, errRefused) {
			f.to.end(Refused)
			return
		}
		f.to.feedLost()
		_ = retry.Sleep(f.ctx, pause.Next()) // the loop checks ctx itself
	}
}

// connect is one connection, from the dial to its end.
func (f *feed) connect(packet []byte) error {
	conn, err := f.dial()
	if err != nil {
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
		case isPing(p):
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

// dial opens a WebSocket to the bridge. A 4xx but 429 is a refusal for good.
func (f *feed) dial() (*websocket.Conn, error) {
	dialer := websocket.Dialer{
		NetDialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return f.to.service.bridge.dial(ctx, f.addr)
		},
		HandshakeTimeout: f.to.service.opts.CatchUpWait,
	}
	conn, resp, err := dialer.DialContext(f.ctx, f.url, f.header)
	if err != nil && resp != nil && resp.StatusCode/100 == 4 && resp.StatusCode != http.StatusTooManyRequests {
		return nil, errRefused
	}
	return conn, err
}

// write is the only writer after the CONNECT: subscriptions, questions, pongs.
// It ends with over, or with an error, which the reader sees too.
func (f *feed) write(conn *websocket.Conn, pongs, over <-chan struct{}) {
	sent, question := 0, 0
	for {
		for _, p := range f.from(sent) {
			if conn.WriteMessage(websocket.TextMessage, p) != nil {
				return
			}
			sent++
		}
		if question > 0 { // after the subscriptions that came before it
			if conn.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, "42[%q,%d]", SyncEvent, question)) != nil {
				return
			}
			question = 0
		}
		select {
		case <-f.changed:
		case question = <-f.syncs:
		case <-pongs:
			if conn.WriteMessage(websocket.TextMessage, []byte("3")) != nil {
				return
			}
		case <-over:
			return
		}
	}
}
