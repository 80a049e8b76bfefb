package gateway

import (
	"bytes"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	// maxKept bounds what is kept of ChatEngine's events for one client. At the
	// contract's sizes (about 500 bytes) it is 2,000 of them.
	maxKept = 1 << 20
	// maxFrame bounds a frame that is looked at.
	maxFrame = maxKept / 2
	// maxEarly bounds what the bridge may send before ChatEngine has accepted
	// the client, and what the client may subscribe to before the bridge has.
	maxEarly = 1 << 20
	maxSubs  = 256
	// The bridge's events are gathered: a minute of a busy workspace is
	// thousands, and a write for each cost the client more than reading them.
	gatherBytes = 32 << 10
	gatherTime  = 5 * time.Millisecond
	// freshnessInterval is how often the bridge is asked whether it has read all
	// there is.
	freshnessInterval = 100 * time.Millisecond
)

// catchUp makes up for what a client missed before it came to ChatEngine.
//
// It begins with the client's CONNECT. From then on ChatEngine's message,
// conversation and messageStatus events are kept back, everything else passes.
// The same CONNECT, and the client's subscriptions, go to the bridge as well
// (feed.go), whose events go to the client: what it missed, then live. When
// the bridge has read all that was committed, Options.CatchUp more has passed,
// and it says that the client was sent all of it, the kept frames that the bridge has not sent too are passed on, in
// order; by then it has sent everything up to the first of them and beyond, so
// the order per conversation is the database's, and the last status that the
// client hears is the last one there was.
//
// A bridge that is not ready in Options.CatchUpWait must not keep the client
// from its live events: the kept ones are passed on, and what the bridge sends
// later comes late and out of order, but comes.
//
// Whatever else goes wrong ends it early: the client is then where it would be
// without a gateway.
type catchUp struct {
	g    *Gateway
	t    *tunnel
	feed *feed

	mu        sync.Mutex // also orders the writes to the client
	timer     *time.Timer
	holdUntil time.Time
	giveUp    time.Time
	since     time.Time // when ChatEngine had accepted the client
	fresh     time.Time // when the bridge had all there was; zero before
	synced    int       // the number of the last SyncEvent
	syncing   bool      // its answer is awaited
	connected bool      // the client has sent CONNECT
	accepted  bool      // ChatEngine has accepted it
	fed       bool      // the bridge has
	holding   bool      // frames are kept
	done      bool      // nothing is looked at any more
	kept      []kept    // ChatEngine's
	keptBytes int
	gathered  []byte // the bridge's frames, to be written together
	early     []byte // the bridge's frames, until ChatEngine has accepted
	given     given  // what the bridge has said
}

// flush writes what is gathered; c.mu is held.
func (c *catchUp) flush() error {
	if len(c.gathered) == 0 {
		return nil
	}
	err := c.t.write(c.t.client, c.gathered)
	c.gathered = c.gathered[:0]
	return err
}

// write writes a frame after what is gathered; c.mu is held.
func (c *catchUp) write(raw []byte) error {
	if err := c.flush(); err != nil {
		return err
	}
	return c.t.write(c.t.client, raw)
}

// gather takes a frame of the bridge's; c.mu is held. An error shows in the
// tunnel's own reads and writes.
func (c *catchUp) gather(packet []byte) {
	if len(c.gathered) == 0 {
		time.AfterFunc(gatherTime, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			_ = c.flush()
		})
	}
	c.gathered = appendText(c.gathered, packet)
	if len(c.gathered) >= gatherBytes {
		_ = c.flush()
	}
}

func newCatchUp(t *tunnel, g *Gateway, r *http.Request) *catchUp {
	c := &catchUp{g: g, t: t, given: make(given)}
	c.feed = newFeed(g, r, c)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.giveUp = time.Now().Add(g.opts.CatchUpLate)
	c.timer = time.AfterFunc(g.opts.CatchUpLate, c.tick)
	return c
}

// tick goes on with what time decides.
func (c *catchUp) tick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.step(time.Now())
}

// step looks at the time; c.mu is held. It calls itself again through the
// timer until the end.
func (c *catchUp) step(now time.Time) {
	if c.done {
		return
	}
	if c.accepted && c.fed && c.fresh.IsZero() && c.g.opts.Fresh(c.since) {
		c.fresh = now
	}
	if !c.fresh.IsZero() && !c.syncing && now.Sub(c.fresh) >= c.g.opts.CatchUp {
		c.synced++
		c.syncing = true
		c.feed.sync(c.synced)
	}
	switch {
	case now.After(c.giveUp):
		c.releaseLocked(catchUpMissed)
	case c.holding && now.After(c.holdUntil):
		c.pour(time.Time{})
		fallthrough
	default:
		c.timer.Reset(freshnessInterval)
	}
}

// stop ends it with the tunnel, and returns when the feed has ended.
func (c *catchUp) stop() {
	c.release(catchUpGone)
	c.feed.join()
}

// fromClient passes the client's frames until the catch-up has ended; false
// where the connection has.
func (c *catchUp) fromClient() bool {
	for !c.isDone() {
		f, err := readFrame(c.t.clientR, maxFrame)
		if errors.Is(err, errLarge) {
			c.release(catchUpOverrun)
			return true
		}
		if err != nil {
			return false
		}
		if f.text() && isConnect(f.payload) {
			// Before ChatEngine has it, so that none of its events slips by.
			c.connect(f.payload)
		}
		if c.t.write(c.t.up, f.raw) != nil {
			return false
		}
		if f.text() && subscribes(eventName(f.payload)) {
			c.subscribe(f.payload)
		}
	}
	return true
}

// connect begins the catch-up.
func (c *catchUp) connect(packet []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.connected || c.done {
		return
	}
	now := time.Now()
	c.connected, c.holding = true, true
	c.holdUntil, c.giveUp = now.Add(c.g.opts.CatchUpWait), now.Add(c.g.opts.CatchUpLate)
	c.feed.start(packet)
	c.step(now)
}

// subscribe passes a subscription on to the bridge, which then owes more.
func (c *catchUp) subscribe(packet []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.again()
	if !c.feed.send(packet) {
		c.releaseLocked(catchUpOverrun)
	}
}

// fromUpstream passes or keeps ChatEngine's frames until the catch-up has
// ended; false where the connection has.
func (c *catchUp) fromUpstream() bool {
	for !c.isDone() {
		f, err := readFrame(c.t.upR, maxFrame)
		if errors.Is(err, errLarge) {
			c.release(catchUpOverrun)
			return true
		}
		if err != nil {
			c.release(catchUpGone)
			return false
		}
		if !f.fin && f.data() {
			// Nothing may be put between the parts of a message.
			c.release(catchUpOverrun)
		}
		if !c.pass(f) {
			return false
		}
	}
	return true
}

func (c *catchUp) pass(f frame) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done || !f.text() {
		return c.write(f.raw) == nil
	}
	if c.holding && replayed(eventName(f.payload)) {
		c.keep(f)
		return true
	}
	if c.write(f.raw) != nil {
		return false
	}
	switch {
	case isConnect(f.payload) && !c.accepted:
		c.accepted, c.since = true, time.Now()
		if len(c.early) > 0 && c.t.write(c.t.client, c.early) != nil {
			return false
		}
		c.early = nil
		c.step(time.Now())
	case isConnectError(f.payload):
		c.releaseLocked(catchUpRefused)
	}
	return true
}

// keep holds a frame back; c.mu is held. Past the bound, the oldest goes where
// the bridge feeds the client, for it sends that one too, and else all pass.
func (c *catchUp) keep(f frame) {
	k := kept{frame: f, at: time.Now()}
	k.subject, k.state = identity(f.payload)
	c.kept = append(c.kept, k)
	c.keptBytes += len(f.raw)
	if c.keptBytes > maxKept && !c.fed {
		c.pour(time.Time{})
	}
	for c.keptBytes > maxKept {
		c.keptBytes -= len(c.kept[0].raw)
		c.kept[0] = kept{}
		c.kept = c.kept[1:]
	}
}

// pour passes on what is kept and is news, and keeps no more; c.mu is held. The
// bridge has said all there was up to the time covered.
func (c *catchUp) pour(covered time.Time) {
	c.holding = false
	for _, f := range c.given.news(c.kept, covered) {
		if c.write(f.raw) != nil {
			break
		}
	}
	c.kept, c.keptBytes = nil, 0
}

// feedAccepted is the feed's word that the bridge has accepted the client.
func (c *catchUp) feedAccepted() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fed = true
	c.step(time.Now())
}

// feedLost is its word that the bridge has let go of it and that it tries again.
func (c *catchUp) feedLost() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fed = false
	c.again()
}

// again starts the time anew; c.mu is held.
func (c *catchUp) again() { c.fresh, c.syncing = time.Time{}, false }

// feedSynced takes the bridge's SyncedEvent.
func (c *catchUp) feedSynced(packet []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, number, _ := bytes.Cut(packet, []byte(","))
	if !c.syncing || string(bytes.TrimSuffix(number, []byte("]"))) != strconv.Itoa(c.synced) {
		return // of before a new subscription
	}
	if c.holding {
		c.releaseLocked(caughtUp)
	} else {
		c.releaseLocked(caughtUpLate)
	}
}

// feedEvent takes an event from the bridge for the client.
func (c *catchUp) feedEvent(packet []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.done:
		return
	case !c.accepted:
		c.early = appendText(c.early, packet)
		if len(c.early) > maxEarly {
			c.releaseLocked(catchUpOverrun)
			return
		}
	default:
		c.gather(packet)
	}
	c.g.count.catchUpEvents.Add(1)
	c.given.add(packet)
}

func (c *catchUp) isDone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.done
}

func (c *catchUp) release(o outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.releaseLocked(o)
}

// releaseLocked ends the catch-up: the kept frames go out, and from here on the
// bytes pass unseen. Repeating it does nothing.
func (c *catchUp) releaseLocked(o outcome) {
	if c.done {
		return
	}
	c.done = true
	c.timer.Stop()
	c.feed.cancel()
	switch o {
	case caughtUp:
		c.pour(time.Now().Add(-c.g.opts.CatchUp))
	case catchUpGone:
		// Told now, the kept events would come before what was missed. On the
		// client's next connection they come again, in their order.
		c.kept = nil
	default:
		c.pour(time.Time{})
	}
	_ = c.flush() // an error shows in the tunnel's own reads and writes
	c.early, c.given, c.gathered = nil, nil, nil
	if c.connected {
		c.g.count.catchUps[o].Add(1)
	}
}
