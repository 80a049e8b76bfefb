package handover

import (
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// unnoticed is how long a dead connection may go unnoticed: as long as the usual
	// ping interval and time-out of Engine.IO together. Clocks of several gateways may
	// differ by as much.
	unnoticed = 45 * time.Second
	// maxDepartures and maxDeparture bound what is remembered of clients that have left,
	// some 20 MB, in clients and in bytes of a private id.
	maxDepartures = 50_000
	maxDeparture  = 128
)

// Unknown stands for a time of which nothing is known: it is before all that there was.
var Unknown = time.Unix(0, 0)

// departures are when the clients of ChatEngine were cut, by the private ids that they
// got there: ChatEngine's events have no offset by which they could tell it themselves.
// A file keeps them over a restart, see departurefile.go.
type departures struct {
	file *departureFile // nil for none

	mu      sync.Mutex
	clients map[string]departure
	// order is of those that have left, the longest ago first. An entry of which the
	// number is not its client's any more is of an earlier departure.
	order   []departed
	number  uint64
	here    int    // how many are connected
	pending []byte // for the file
	rewrite bool   // the file is to be written anew
}

type departure struct {
	// left is when it was cut; zero while it is connected.
	left time.Time
	// owed is since when it lacks events that it has not been sent yet; zero for none.
	owed   time.Time
	number uint64
}

type departed struct {
	pid    string
	number uint64
}

// newDepartures returns the departures that the file knows of; nil for none.
func newDepartures(file *departureFile) *departures {
	d := &departures{file: file, clients: make(map[string]departure)}
	if file != nil {
		d.load(file)
	}
	return d
}

// connected notes a client's private id, and since when it is still to be sent what it
// missed; zero for a client that missed nothing.
func (d *departures) connected(pid string, owed time.Time) {
	if pid == "" || len(pid) > maxDeparture {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if c, ok := d.clients[pid]; !ok || !c.left.IsZero() {
		d.here++
	}
	d.clients[pid] = departure{owed: owed}
	d.note(markConnected, owed, pid)
}

// caughtUp notes that it has been sent all that it missed before it connected.
func (d *departures) caughtUp(pid string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c, ok := d.clients[pid]; ok && !c.owed.IsZero() && c.left.IsZero() {
		d.clients[pid] = departure{}
		d.note(markConnected, time.Time{}, pid)
	}
}

// ended notes the end of its connection; "" is ignored.
func (d *departures) ended(pid string, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c, ok := d.clients[pid]
	if !ok || !c.left.IsZero() {
		return
	}
	left := now
	if !c.owed.IsZero() && c.owed.Before(now) {
		left = c.owed
	}
	d.here--
	d.leave(pid, left)
	d.note(markLeft, left, pid)
}

// setBack notes that the clock was set back by so much: what was noted by it is earlier now.
func (d *departures) setBack(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for pid, c := range d.clients {
		if !c.left.IsZero() {
			c.left = c.left.Add(-by)
		}
		if !c.owed.IsZero() {
			c.owed = c.owed.Add(-by)
		}
		d.clients[pid] = c
	}
	d.rewrite = d.file != nil
}

// leave notes when a client lacks ChatEngine's events from, of which it forgets the
// longest gone past the bound; mu is held.
func (d *departures) leave(pid string, left time.Time) {
	d.number++
	d.clients[pid] = departure{left: left, number: d.number}
	d.order = append(d.order, departed{pid, d.number})
	for len(d.order) > maxDepartures {
		if first := d.order[0]; d.clients[first.pid].number == first.number {
			delete(d.clients, first.pid)
		}
		d.order = d.order[1:]
	}
}

// since is from when on a client may lack ChatEngine's events: somewhat before its
// connection was cut. Of a private id that is not known, and looks like one of
// ChatEngine's, it is the earliest it can have been. The zero time where the id is none
// of ChatEngine's.
func (d *departures) since(pid string, now time.Time) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	c, known := d.clients[pid]
	switch {
	case !known:
		return earliest(pid, now)
	case c.left.IsZero() && (c.owed.IsZero() || c.owed.After(now)):
		return now.Add(-unnoticed) // it comes back before the end of its connection was noticed
	case c.left.IsZero():
		return before(c.owed)
	case c.left.After(now.Add(unnoticed)):
		return Unknown // the clock was set back since
	}
	return before(c.left)
}

// before is somewhat before a time.
func before(t time.Time) time.Time {
	if t = t.Add(-unnoticed); t.Before(Unknown) {
		return Unknown
	}
	return t
}

// earliest is from when on a client may lack ChatEngine's events as its private id alone
// tells, see since.go: it is what a gateway goes by that knows nothing of it. Unknown for
// one that does not tell; the zero time where the id is none of ChatEngine's.
func earliest(pid string, now time.Time) time.Time {
	if !OfEngine(pid) {
		return time.Time{}
	}
	parts := strings.Split(pid, ".")
	if len(parts) != 4 {
		return Unknown // of an earlier version
	}
	ms, err := strconv.ParseInt(parts[3], 36, 64)
	if at := time.UnixMilli(ms); err == nil && ms > 0 && !at.After(now.Add(unnoticed)) {
		return before(at)
	}
	return Unknown
}

// Earliest is from when on a client with this private id may lack what ChatEngine sent,
// where no gateway knows when it left: somewhat before its last connection to ChatEngine
// began, or Unknown. The zero time of an id that was not given by a gateway. It comes
// from the client, and may be invented.
func Earliest(pid string) time.Time { return earliest(pid, time.Now()) }
