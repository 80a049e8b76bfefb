package postgres

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"chatbridge/source/postgres/pgoutput"

	"github.com/jackc/pgx/v5/pgconn"
)

// How often the place is saved. A file costs nobody else anything. A write to the
// database is a little work for it and moves its log on, so a database where
// nothing else happens is rarely written to.
const (
	saveFileEvery     = time.Second
	saveDatabaseEvery = 10 * time.Second
	saveIdleEvery     = time.Minute
	// saveWaitingEvery is for a place that could be confirmed once it is saved.
	saveWaitingEvery = 500 * time.Millisecond
	// saveBytes of log count as much as a change.
	saveBytes = 64 << 10
	// A Place.HealthyAt older by less than this is not saved again.
	healthyGrainInFile     = 10 * time.Second
	healthyGrainInDatabase = 10 * time.Minute
	// memoryTimeout is how long confirmation waits for memories that fail.
	memoryTimeout = time.Minute
)

// placeKeeper saves the Place in Options.Memory and in the database, and has
// nothing confirmed that is not saved. It belongs to the goroutine that owns the
// control connection.
type placeKeeper struct {
	s *Source
	// found is what an earlier process, or another bridge, had saved.
	found Place
	// file and database are what was saved there last, and when (of our
	// monotonic clock); lastSaved is when either was.
	file, database     Place
	fileAt, databaseAt time.Time
	lastSaved          time.Time
	// fileProblem and dbProblem are the last failures, empty for none.
	fileProblem, dbProblem string
	// fileFails: the last save failed, which was logged. noDatabase: the server
	// refuses to save, so it is not tried again on this connection.
	fileFails, noDatabase bool
	// unsavedLogged: it was logged that neither memory works.
	unsavedLogged bool
	// seen is what the database's memory held while another bridge had the slot, at seenAt:
	// a restore takes that back there.
	seen   Place
	seenAt time.Time
	// gapReported: found was dropped because a gap was reported that covers it.
	gapReported bool
}

// forget drops what was found: a gap has been reported that covers it.
func (k *placeKeeper) forget() {
	k.found, k.file, k.database, k.seen = Place{}, Place{}, Place{}, Place{}
	k.gapReported = true
}

// begin is called before each stream: from its start on, nothing is confirmed
// that is not saved.
func (k *placeKeeper) begin(now time.Time) {
	k.lastSaved, k.noDatabase = now, false
	k.seen, k.seenAt = Place{}, time.Time{}
	k.s.progress.capConfirmed(max(k.file.LSN, k.database.LSN), true)
}

// handled reports whether an earlier process had handled, when it saved its place last, what
// committed at lsn.
func (k *placeKeeper) handled(lsn pgoutput.LSN) bool {
	return lsn < k.found.LSN && k.found.System == k.s.history.system
}

// recall reads both memories, into found. It is called when a slot is free and
// this process has not read from it.
func (k *placeKeeper) recall(ctx context.Context, c *control, system string, slot *slotState) error {
	if k.gapReported {
		return nil
	}
	k.found = Place{}
	if m := k.s.opts.Memory; m != nil {
		ctx, cancel := c.bound(ctx)
		p, err := m.Load(ctx)
		cancel()
		if err != nil {
			k.fileProblem = err.Error()
			k.s.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "what was confirmed cannot be read from the state file", slog.String("error", err.Error()))
		}
		k.found = p
	}
	p, err := c.loadObject(ctx)
	if err != nil {
		var pg *pgconn.PgError
		if !errors.As(err, &pg) {
			return k.s.classify("read what was confirmed", err)
		}
		k.dbProblem = err.Error()
	}
	k.found = newerPlace(k.found, p, system)
	k.file, k.database = k.found, k.found
	k.s.shape.recall(k.found)
	if k.seen.System != system || slot.confirmed <= k.seen.LSN {
		k.found = newerPlace(k.found, k.seen, system)
	}
	k.recallDelivered(ctx, system, slot)
	return nil
}

// pollMemory reads the Place in the database, every Watch, while another bridge has the slot.
func (k *placeKeeper) pollMemory(ctx context.Context, c *control, now time.Time) {
	if !k.seenAt.IsZero() && now.Sub(k.seenAt) < k.s.opts.Watch {
		return
	}
	if p, err := c.loadObject(ctx); err == nil { // after a failure the next poll may succeed
		k.seen, k.seenAt = p, now
	}
}

// recallDelivered takes what was delivered by another Source into found. Where the slot is
// past that, the other one has handled more than is known here.
func (k *placeKeeper) recallDelivered(ctx context.Context, system string, slot *slotState) {
	if k.s.opts.Delivered == nil {
		return
	}
	d, ok := k.s.opts.Delivered(ctx)
	if !ok || d.LSN == 0 || d.System == system && slot.confirmed > d.LSN {
		return
	}
	k.found = newerPlace(k.found, Place{
		System: d.System, Timeline: d.Timeline, Database: cmp.Or(d.Database, slot.inDatabase), Slot: k.s.opts.Slot,
		Publication: k.s.opts.Publication, LSN: d.LSN, Commit: d.Commit, CommitTime: d.CommitTime,
	}, system)
}

// memoryState returns the place to save now, what could be confirmed once it is
// saved, and the end of the last transaction with a change. certain is false
// while it is not certain that the history is the one that was handled.
func (p *progress) memoryState() (place Place, confirmable, lastChanged pgoutput.LSN, certain bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	place = Place{LSN: p.handled, Commit: p.last.commit, CommitTime: p.last.time}
	return place, p.ready, p.lastChanged, p.slot == 0 && p.handled != 0
}

// save saves the place where that is due, always where final. It caps what is
// confirmed at what is saved, as long as a memory works.
func (k *placeKeeper) save(ctx context.Context, c *control, now time.Time, final bool) {
	place, confirmable, lastChanged, certain := k.s.progress.memoryState()
	if !certain {
		return
	}
	k.s.describe(&place)
	if place.compare(k.found) < 0 {
		return // on the way to where an earlier process was
	}
	// What is saved past the place belongs to the log of a primary before.
	for _, saved := range []*Place{&k.file, &k.database} {
		if saved.LSN > place.LSN {
			*saved = Place{}
		}
	}
	if k.s.opts.Memory != nil && !place.equal(k.file, healthyGrainInFile) && (final || now.Sub(k.fileAt) >= saveFileEvery) {
		k.fileAt = now
		k.saveFile(ctx, place, now)
	}
	if c != nil && !k.noDatabase && !place.equal(k.database, healthyGrainInDatabase) && (final || k.dueInDatabase(place, confirmable, lastChanged, now)) {
		k.databaseAt = now
		k.saveDatabase(ctx, c, place, now)
	}
	k.cap(ctx, now)
}

// dueInDatabase reports whether to write the place to the database.
func (k *placeKeeper) dueInDatabase(p Place, confirmable, lastChanged pgoutput.LSN, now time.Time) bool {
	since, saved := now.Sub(k.databaseAt), k.database.LSN
	worth := lastChanged > saved || uint64(p.LSN-min(saved, p.LSN)) >= saveBytes || p.Broken != k.database.Broken
	alone := k.s.opts.Memory == nil || k.fileFails
	switch {
	case worth && alone && confirmable > saved:
		return since >= saveWaitingEvery
	case worth:
		return since >= saveDatabaseEvery
	}
	return since >= saveIdleEvery
}

func (k *placeKeeper) saveFile(ctx context.Context, p Place, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, k.s.opts.Connect)
	defer cancel()
	err := k.s.opts.Memory.Save(ctx, p)
	switch {
	case err == nil:
		k.file, k.lastSaved, k.fileFails, k.fileProblem = p, now, false, ""
	case !k.fileFails:
		k.fileFails, k.fileProblem = true, err.Error()
		k.s.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "what was confirmed cannot be kept in the state file", slog.String("error", err.Error()))
	}
}

// saveDatabase writes the place to the database.
func (k *placeKeeper) saveDatabase(ctx context.Context, c *control, p Place, now time.Time) {
	err := c.saveObject(ctx, p)
	var pg *pgconn.PgError
	switch {
	case err == nil:
		k.database, k.lastSaved, k.dbProblem = p, now, ""
	case errors.As(err, &pg), errors.Is(err, errNoObject):
		k.noDatabase, k.dbProblem = true, err.Error()
	}
}

// cap caps what is confirmed at what is saved, unless nothing can be saved.
func (k *placeKeeper) cap(ctx context.Context, now time.Time) {
	unsavable := k.noDatabase && (k.s.opts.Memory == nil || k.fileFails)
	if unsavable && !k.unsavedLogged {
		k.unsavedLogged = true
		k.s.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "nothing keeps what was confirmed: what happens to the slot while no bridge runs can go unnoticed",
			slog.String("file", k.fileProblem), slog.String("database", k.dbProblem), slog.String("remedy", "set replay.state_file to a path that the bridge may write to"))
	}
	k.s.progress.capConfirmed(max(k.file.LSN, k.database.LSN), !unsavable && now.Sub(k.lastSaved) < memoryTimeout)
}

// capConfirmed caps what is confirmed at saved, or lifts the cap.
func (p *progress) capConfirmed(saved pgoutput.LSN, capped bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.saved, p.capped = saved, capped
}

// describe adds to a place what belongs to the source.
func (s *Source) describe(p *Place) {
	p.System, p.Timeline = s.history.system, s.history.timeline
	p.Database, p.Slot, p.Publication = s.history.database, s.opts.Slot, s.opts.Publication
	s.shape.describe(p)
}
