package cluster

import (
	"context"
	"errors"
	"time"
)

const (
	// entrySize is about how many bytes of records go into one entry, so that what Redis
	// keeps of it fits into the 64 KiB that its allocator has a size for; the next is
	// 80. Nothing waits for an entry to become full: what comes while one is being
	// appended is the next.
	entrySize = 64<<10 - 512
	// opTimeout bounds one step at Redis: longer than a server takes to write its
	// memory to disk, shorter than what edges wait for.
	opTimeout = 2 * time.Second
	// edgesReturn is for how long after Redis was back no entry is dropped, until the edges
	// have caught up.
	edgesReturn = 5 * time.Second
)

// Held returns up to where Redis holds all records, in entries and by its beat. Nothing from
// there on may be confirmed to the database, so that the successor of a leader that is killed
// while Redis is away can read it.
func (l *Leader) Held() (commit uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.doubt != nil {
		return min(l.through, l.doubt.after.Commit)
	}
	if rest := l.backlog.after(l.cursor, 0); len(rest) > 0 {
		return min(l.through, rest[0].id.Commit)
	}
	return l.through
}

// appendNext appends the next entry, and reports whether there was one.
func (l *Leader) appendNext(ctx context.Context, store Store) (bool, error) {
	epoch, last, a, ok := l.nextAppend(time.Now())
	if !ok {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	answer, err := store.Append(ctx, epoch, last, a)
	if errors.Is(err, errIDTaken) {
		return l.idTaken(ctx, epoch, last, a.ID)
	}
	l.noteAppend(err)
	if err != nil {
		return false, err
	}
	if want := a.ID; answer != want {
		return true, l.refused(ctx, store, epoch, answer)
	}
	l.appended(epoch, &a)
	return true, nil
}

// noteAppend notes whether Redis accepts entries.
func (l *Leader) noteAppend(err error) {
	if IsFull(err) && l.opts.OnFull != nil {
		l.opts.OnFull()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.appendFails = err != nil; !l.appendFails {
		l.appendedAt = time.Now()
	}
}

// stuck is Beat.Stuck. l.mu is held.
func (l *Leader) stuck(now time.Time) time.Duration {
	if d := l.doubt; d != nil && !d.possible && d.to.After(l.backlog.newest()) && now.Sub(d.since) >= beatTimeout {
		return now.Sub(d.since)
	}
	waiting := l.backlog.after(l.cursor, 0)
	if !l.appendFails && !now.Before(l.holdUntil) || len(waiting) == 0 {
		return 0
	}
	since := waiting[0].at
	if l.appendedAt.After(since) {
		since = l.appendedAt
	}
	return max(now.Sub(since), 0)
}

// nextAppend returns what to append to which stream, and what that must end with.
func (l *Leader) nextAppend(now time.Time) (epoch Epoch, last ID, a Append, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.doubt != nil || now.Before(l.holdUntil) {
		return Epoch{}, ID{}, Append{}, false
	}
	if floor := l.backlog.floor; floor.After(l.cursor) {
		// What the stream lacks is not in the backlog any more.
		l.beginAt(l.last, floor)
		l.replace = !l.last.IsZero()
	}
	items := l.backlog.after(l.cursor, entrySize)
	if len(items) == 0 && !l.replace {
		return Epoch{}, ID{}, Append{}, false
	}
	a = Append{Replace: l.replace, Keep: l.keep(now)}
	if len(items) > 0 {
		size := 128
		for i := range items {
			size += items[i].size()
		}
		a.ID = items[len(items)-1].id
		a.Entry = appendHeader(make([]byte, 0, size), l.epoch, l.prev, a.ID, len(items))
		for i := range items {
			a.Entry = append(append(a.Entry, items[i].head...), items[i].text...)
		}
	}
	return l.epoch, l.last, a, true
}

// keep is before which entries may be forgotten: never the last, and nothing that a
// leader before had appended while edges may still be reading it.
func (l *Leader) keep(now time.Time) ID {
	if now.Sub(l.began) < l.opts.Keep {
		return ID{}
	}
	if l.last.After(l.backlog.floor) {
		return l.backlog.floor
	}
	return l.last
}

// appended notes that an entry is in the stream.
func (l *Leader) appended(epoch Epoch, a *Append) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if epoch != l.epoch {
		return
	}
	if l.last.IsZero() || a.Replace {
		l.base = l.prev
	}
	l.last, l.replace = a.ID, false
	if a.Entry != nil {
		l.cursor, l.prev = a.ID, a.ID
		l.top = later(l.top, a.ID)
		l.stats.Entries++
		l.stats.Bytes += uint64(len(a.Entry))
	}
}
