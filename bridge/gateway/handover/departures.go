package handover

import (
	"sync"
	"time"
)

const (
	// unnoticed is how long a dead connection may go unnoticed: as long as the usual
	// ping interval and time-out of Engine.IO together.
	unnoticed = 45 * time.Second
	// maxDepartures and maxDeparture bound what is remembered of clients that have left,
	// some 20 MB, in clients and in bytes of a private id.
	maxDepartures = 50_000
	maxDeparture  = 128
)

// departures are when the clients of ChatEngine were cut, by the private ids that they
// got there: ChatEngine's events have no offset by which they could tell it themselves.
type departures struct {
	began time.Time // of this process

	mu   sync.Mutex
	left map[string]time.Time // zero while it is connected
	// order is of those that have left, the longest ago first.
	order []string
}

func newDepartures() *departures {
	return &departures{began: time.Now(), left: make(map[string]time.Time)}
}

// connected notes a client's private id.
func (d *departures) connected(pid string) {
	if pid == "" || len(pid) > maxDeparture {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left[pid] = time.Time{}
}

// ended notes the end of its connection; "" is ignored.
func (d *departures) ended(pid string, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if at, ok := d.left[pid]; !ok || !at.IsZero() {
		return
	}
	d.left[pid] = now
	d.order = append(d.order, pid)
	for len(d.order) > maxDepartures {
		delete(d.left, d.order[0])
		d.order = d.order[1:]
	}
}

// since is from when on a client may lack ChatEngine's events: somewhat before its
// connection was cut. Of a private id that is not known, and looks like one of
// ChatEngine's, it is from before this process began: it was connected through another.
// The zero time where the id is none of ChatEngine's.
func (d *departures) since(pid string, now time.Time) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	at, known := d.left[pid]
	switch {
	case known && at.IsZero():
		at = now // it comes back before the end of its connection was noticed
	case !known && !OfEngine(pid):
		return time.Time{}
	case !known:
		at = d.began
	}
	return at.Add(-unnoticed)
}
