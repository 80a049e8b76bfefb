package cluster

import (
	"time"

	"chatbridge/source"
)

const (
	// gapsFor is for how long beats carry a gap, and maxGaps how many they carry.
	gapsFor = 10 * time.Minute
	maxGaps = 16
)

// Begin notes the transaction of the records that follow.
func (l *Leader) Begin(commit uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.place = startOf(commit)
}

// Publish adds an event. Its text is kept, the rest is copied. An event that was added before
// is dropped.
func (l *Leader) Publish(at source.Position, r Record, now time.Time) {
	r.Kind, r.ID = Published, EventID(at)
	if l.seen.missed(r.ID) {
		l.disown(r.ID)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.place = r.ID
	l.add(&r, now)
}

// Tell adds a record that is no event, behind the last record.
func (l *Leader) Tell(r Record, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, ok := l.place.next()
	if !ok {
		return // after 2^20 of them; the last one was MembersChanged
	}
	if _, more := at.next(); !more {
		r = Record{Kind: MembersChanged}
	}
	r.ID, l.place = at, at
	l.add(&r, now)
}

// add adds a record. l.mu is held.
func (l *Leader) add(r *Record, now time.Time) {
	if !r.ID.After(l.backlog.newest()) {
		return
	}
	l.given = r.ID
	l.delivered.record(r)
	evicted := l.backlog.add(item{id: r.ID, at: now, head: r.head(), text: r.Text})
	l.stats.Evicted += uint64(evicted)
	l.wakeUp()
}

func (l *Leader) wakeUp() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Gap adds a loss, which the next beat announces.
func (l *Leader) Gap(g Gap) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gaps, l.newGaps = append(l.gaps, g), true
	if len(l.gaps) > maxGaps {
		l.gaps[1].Since, l.gaps = earliest(l.gaps[0].Since, l.gaps[1].Since), l.gaps[1:]
	}
	l.wakeUp()
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Restart begins another history.
func (l *Leader) Restart(r Restart) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.restarts++
	l.restart, l.unannounced = &r, true
	l.former = append(l.former, l.epoch)
	l.epoch.Count++
	l.backlog.reset(ID{})
	l.place, l.given, l.delivered = ID{}, ID{}, Delivered{}
	l.beginAt(ID{}, ID{})
	l.trusted, l.top, l.believed = ID{}, ID{}, 0
	l.gaps, l.newGaps, l.through = nil, true, 0
	l.wakeUp()
}

// Continue tells that the source has connected again, to a server of that timeline,
// and goes on where it was.
func (l *Leader) Continue(timeline uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.epoch.Timeline == timeline {
		return
	}
	l.former = append(l.former, l.epoch)
	l.epoch.Timeline = timeline
	l.beginAt(ID{}, l.backlog.floor)
	l.trusted, l.top = ID{}, ID{}
	l.wakeUp()
}
