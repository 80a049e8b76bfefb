package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// Entries that a Leader finds in the stream and has not appended itself are a former leader's,
// and valid, or something else wrote them. They do not count as held by Redis until the
// Leader's own source has delivered the same. Entries beyond the end of the database's log are
// invalid, because a leader appends only what it has read there.

// Database is what a leader's database says, asked now: an earlier answer may be of before
// another bridge took the slot.
type Database struct {
	// End is that of its log; all events are before it.
	End uint64
	// Ours: this bridge has the slot, so that no other one leads.
	Ours bool
}

// doubt is the part of the stream that the Leader has not appended, and how far it was compared
// with the source.
type doubt struct {
	// after and to: what is between has not been found true yet. cover is the last entry
	// that was, zero before the first.
	after, to, cover ID
	// next is where the comparison continues, once the source has reached it.
	next ID
	// read: the last entry can be read. possible: the database's log reaches it.
	read, possible bool
	since          time.Time
}

const (
	// askEvery bounds how often the database is asked.
	askEvery = time.Second
	// calmAfter is how long Redis has to keep everything until the next loss is a first one,
	// and refillMax bounds the pause before what it lost again and again is appended.
	calmAfter = time.Minute
	refillMin = 50 * time.Millisecond
	refillMax = 10 * time.Second
	// oftenLost is at how many losses one after the other the reason is looked for.
	oftenLost = 4
)

// currentDoubt returns the present doubt, and the source's position.
func (l *Leader) currentDoubt() (epoch Epoch, d doubt, progress ID, ok bool) {
	through := startOf(l.opts.Source().Through)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.doubt == nil {
		return Epoch{}, doubt{}, ID{}, false
	}
	return l.epoch, *l.doubt, later(l.backlog.newest(), through), true
}

// updateDoubt applies a change, if d is still the present doubt. l.mu is not held.
func (l *Leader) updateDoubt(d *doubt, change func(d *doubt)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.doubt != nil && l.doubt.since.Equal(d.since) {
		change(l.doubt)
	}
}

// settle compares what is in doubt, one read at a time, and reports whether there is more to
// compare now.
func (l *Leader) settle(ctx context.Context, store Store) (more bool, err error) {
	epoch, d, progress, ok := l.currentDoubt()
	switch {
	case !ok:
		return false, nil
	case !d.read:
		return l.readLast(ctx, store, epoch, &d)
	case !d.possible && d.to.After(progress):
		return l.reaches(ctx, epoch, &d)
	case d.next.After(progress):
		return false, nil
	}
	return l.compare(ctx, store, epoch, &d, progress)
}

// readLast looks whether the last entry can be read: it is the one that edges stop at. Where a
// leader of a later version has left it, so are its beats, and Redis is refused as a whole.
func (l *Leader) readLast(ctx context.Context, store Store, epoch Epoch, d *doubt) (bool, error) {
	entries, err := readEntriesAfter(ctx, store, epoch, d.to.before())
	if err != nil || len(entries) == 0 {
		return false, err // gone since: the next beat is refused
	}
	if _, err := ownEntry(entries[0], epoch); err != nil {
		return l.renew(ctx, epoch, d.to, err.Error())
	}
	l.updateDoubt(d, func(d *doubt) { d.read = true })
	return true, nil
}

// reaches asks whether the database's log reaches what is in doubt.
func (l *Leader) reaches(ctx context.Context, epoch Epoch, d *doubt) (bool, error) {
	db, ok := l.ask(ctx)
	switch {
	case !ok:
		return false, nil
	case db.End <= d.to.Commit:
		l.begin(ctx, epoch, d.to, fmt.Sprintf("the database's log ends at %d, before it", db.End))
		return true, nil
	}
	l.updateDoubt(d, func(d *doubt) { d.possible = true })
	return true, nil
}

// ask asks the database. ok is false where it does not answer, or another bridge may have the
// slot: then nothing in Redis is touched.
func (l *Leader) ask(ctx context.Context) (Database, bool) {
	if l.opts.Database == nil || !l.asked.IsZero() && time.Since(l.asked) < askEvery {
		return Database{}, false
	}
	l.asked = time.Now()
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	db, err := l.opts.Database(ctx)
	return db, err == nil && db.Ours
}

// compare compares entries with what the source gave.
func (l *Leader) compare(ctx context.Context, store Store, epoch Epoch, d *doubt, progress ID) (bool, error) {
	entries, err := readEntriesAfter(ctx, store, epoch, d.after)
	if err != nil || len(entries) == 0 {
		return false, err
	}
	decoded := make([]*Entry, 0, len(entries))
	for _, data := range entries {
		e, err := ownEntry(data, epoch)
		if err != nil {
			return l.renew(ctx, epoch, d.to, err.Error())
		}
		if decoded = append(decoded, e); !d.to.After(e.ID) {
			break
		}
	}
	if end := decoded[len(decoded)-1].ID; end.After(progress) {
		l.updateDoubt(d, func(d *doubt) { d.next = end })
		return false, nil
	}
	for _, e := range decoded {
		if !d.cover.IsZero() && e.Prev.After(d.cover) {
			l.replaceAll(ctx, epoch, d.cover)
			return true, nil
		}
		if reason := l.differs(e); reason != "" {
			return l.renew(ctx, epoch, e.ID, reason)
		}
		d.cover = e.ID
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.doubt == nil || !l.doubt.since.Equal(d.since) {
		return true, nil
	}
	if l.doubt.after, l.doubt.cover = d.cover, d.cover; !d.to.After(d.cover) {
		l.doubt = nil
	}
	return true, nil
}

// differs says how an entry differs from what the source gave, "" for not at all. Compared
// are the transactions alone: of what is in one another bridge may have known more, or less.
// And what was read back from the tables is in no log.
func (l *Leader) differs(e *Entry) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	after := later(e.Prev, l.backlog.floor)
	own := l.backlog.commits(after, e.ID)
	var theirs []uint64
	for i := range e.Records {
		if r := &e.Records[i]; r.ID.After(after) {
			theirs = appendCommit(theirs, r.Kind, r.ID)
		}
	}
	for _, c := range own {
		if !slices.Contains(theirs, c) {
			return fmt.Sprintf("it lacks the transaction at %d, which the database has", c)
		}
	}
	for _, c := range theirs {
		if !slices.Contains(own, c) {
			return fmt.Sprintf("it has a transaction at %d, which the database does not have", c)
		}
	}
	return ""
}

// seen are the transactions of which the Follower was given events by the stream, after one
// ID up to another.
type seen struct {
	after, to ID
	commits   []uint64
}

// seenOf returns those of a backlog.
func seenOf(b *backlog) seen {
	return seen{after: b.floor, to: b.newest(), commits: b.commits(b.floor, b.newest())}
}

// missed reports whether the source's event is of a transaction that the Follower should have
// received from the stream and did not: then what it received was wrong or incomplete.
func (s *seen) missed(id ID) bool {
	if id.After(s.to) {
		*s = seen{} // past all of the transactions
		return false
	}
	if id.Commit%8 != 0 || !id.After(s.after) {
		return false
	}
	_, found := slices.BinarySearch(s.commits, id.Commit)
	return !found
}

// disown drops what this bridge was given by the stream before it led, because the database
// has an event that was not among it: its clients are told to load everything again, as the
// other bridges' are.
func (l *Leader) disown(id ID) {
	l.seen = seen{}
	l.opts.Logger.LogAttrs(context.Background(), slog.LevelError, "what this bridge read from Redis before it led lacks an event that the database has; dropping it, and beginning the stream anew",
		slog.String("event", id.String()), slog.String("remedy", "see who else writes to this Redis (ACL LIST, a second cluster of the same cluster.name); pages are told to load again"))
	l.opts.disown(id)
	l.Restart(Restart{Until: time.Now().UTC()})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Renewed++
	l.backlog.reset(id.before())
	l.beginAt(ID{}, l.backlog.floor)
}

// appendCommit appends the commit of a record that is of a transaction, once.
func appendCommit(to []uint64, kind RecordKind, id ID) []uint64 {
	if kind != Published || id.Commit%8 != 0 || len(to) > 0 && to[len(to)-1] == id.Commit {
		return to
	}
	return append(to, id.Commit)
}

// readEntriesAfter reads the next entries of the stream.
func readEntriesAfter(ctx context.Context, store Store, epoch Epoch, after ID) ([][]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	reply, err := store.Read(ctx, epoch, after, "$", time.Millisecond)
	return reply.Entries, err
}

// ownEntry reads an entry of a history.
func ownEntry(data []byte, epoch Epoch) (*Entry, error) {
	e, err := DecodeEntry(data)
	if version := (*VersionError)(nil); errors.As(err, &version) {
		return nil, fmt.Errorf("it has format %d, and the beats format %d", version.Version, FormatVersion)
	}
	if err == nil && e.Epoch != epoch {
		err = fmt.Errorf("it is of another history, %s", e.Epoch)
	}
	return e, err
}

// renew begins the stream anew because of an entry. Only who has the slot does: whatever
// another bridge is writing there, it does not lead.
func (l *Leader) renew(ctx context.Context, epoch Epoch, entry ID, reason string) (bool, error) {
	if _, ok := l.ask(ctx); !ok {
		l.mu.Lock()
		l.stats.Warning = "Redis holds what this bridge did not write (" + reason + "), and the database does not tell whether this bridge still has the slot: nothing is removed until it does"
		l.stats.WarningRemedy = "see that the database takes another connection of this bridge's user (source.postgres.url)"
		l.mu.Unlock()
		return false, nil
	}
	l.begin(ctx, epoch, entry, reason)
	return true, nil
}

// begin begins the stream anew, under a new count: bridges that have read what is not true
// drop all that they have.
func (l *Leader) begin(ctx context.Context, epoch Epoch, entry ID, reason string) {
	l.mu.Lock()
	if l.epoch != epoch {
		l.mu.Unlock()
		return
	}
	l.former = append(l.former, l.epoch)
	l.epoch.Count++
	l.unannounced = true
	l.restart = &Restart{Until: time.Now().UTC()}
	floor := l.backlog.floor
	l.beginAt(ID{}, floor)
	l.trusted, l.top = ID{}, ID{}
	l.through = min(l.through, floor.Commit)
	l.newGaps = true // tell at once
	l.stats.Renewed++
	l.stats.Warning, l.stats.WarningRemedy = "", ""
	l.lostAgain(time.Now())
	l.mu.Unlock()
	l.opts.Logger.LogAttrs(ctx, slog.LevelError, "the stream in Redis has an entry that no bridge of this cluster wrote; beginning it anew",
		slog.String("entry", entry.String()), slog.String("reason", reason),
		slog.String("remedy", "see who else writes to this Redis (ACL LIST, a second cluster of the same cluster.name); pages at the other bridges are told to load again"))
}

// idTaken deals with a stream that has had a later ID than its last entry's. Where this Leader
// appended that, somebody has deleted it. Else it was somebody else's, and edges may have read it.
func (l *Leader) idTaken(ctx context.Context, epoch Epoch, last, id ID) (bool, error) {
	l.mu.Lock()
	deleted := !id.After(l.top)
	l.mu.Unlock()
	if deleted {
		l.replaceAll(ctx, epoch, last)
		return true, nil
	}
	return l.renew(ctx, epoch, last, errIDTaken.Error())
}

// replaceAll replaces the stream: it lacks something of what the Leader has.
func (l *Leader) replaceAll(ctx context.Context, epoch Epoch, after ID) {
	l.mu.Lock()
	if l.epoch == epoch {
		l.beginAt(l.last, l.backlog.floor)
		l.replace = true
		l.stats.Replaced++
		l.lostAgain(time.Now())
	}
	l.mu.Unlock()
	l.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "somebody has deleted an entry of the stream in Redis; replacing all of it", slog.String("after", after.String()))
}

// lostAgain notes that Redis has lost something, and waits before it is appended again where
// that was lost before. l.mu is held.
func (l *Leader) lostAgain(now time.Time) {
	if l.lostAt.IsZero() || now.Sub(l.lostAt) >= calmAfter {
		l.pause.Reset()
		l.losses, l.explained, l.stats.Warning, l.stats.WarningRemedy = 0, false, "", ""
	} else {
		l.holdUntil = now.Add(l.pause.Next())
	}
	l.losses++
	l.lostAt = now
}

// explain finds out why Redis loses acknowledged entries, once that has happened oftenLost
// times, and logs it once.
func (l *Leader) explain(ctx context.Context, store Store) {
	l.mu.Lock()
	due := l.losses >= oftenLost && !l.explained
	l.explained = l.explained || due
	l.mu.Unlock()
	if !due {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	policy, evicted := store.Evicts(ctx)
	why, remedy := "Redis has lost what it had acknowledged several times within a minute", "see that nobody empties Redis, and that it does not restart or fail over again and again"
	if evicted > 0 {
		why = fmt.Sprintf("Redis is full and has evicted %d keys (maxmemory-policy %s): what the leader appends is removed again", evicted, policy)
		remedy = "CONFIG SET maxmemory-policy noeviction, and more memory (maxmemory) or a Redis of its own"
	}
	l.mu.Lock()
	l.stats.Warning, l.stats.WarningRemedy = why, remedy
	l.mu.Unlock()
	l.opts.Logger.LogAttrs(ctx, slog.LevelError, "Redis loses again and again what the leader appends; it is appended again after longer and longer pauses",
		slog.String("reason", why), slog.String("remedy", remedy))
}
