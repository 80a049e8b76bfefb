package postgres

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"chatbridge/source/postgres/pgoutput"

	"github.com/jackc/pgx/v5/pgconn"
)

// How often the place is kept. A file is quick and nobody else's; a write to
// the database is a little work for it, and moves its log, so a database where
// nothing else happens is left alone.
const (
	keepInFile     = time.Second
	keepInDatabase = 10 * time.Second
	keepIdle       = time.Minute
	// keepWhole is how old the time may be at which all was well last.
	keepWholeInFile     = 10 * time.Second
	keepWholeInDatabase = 10 * time.Minute
	// keepWaiting is for a place that the server could drop if it were kept.
	keepWaiting = 500 * time.Millisecond
	// keepBytes of log count as much as a change.
	keepBytes = 64 << 10
	// keepPatience is how long the slot waits for memories that fail.
	keepPatience = time.Minute
)

// keeper remembers the Place in Options.Memory and in the database. It belongs
// to the goroutine that owns the control connection.
type keeper struct {
	s *Source
	// found is what an earlier process, or another bridge, had kept.
	found Place
	// file and database are what was kept there last, and when (of our
	// monotonic clock).
	file, database         Place
	fileAt, databaseAt     time.Time
	fileFails, noDatabase  bool
	warned, forgot         bool
	kept                   time.Time // when something was kept last
	fileProblem, dbProblem string
}

// forget drops what was found: a gap has been reported that covers it.
func (k *keeper) forget() {
	k.found, k.file, k.database = Place{}, Place{}, Place{}
	k.forgot = true
}

// begin is called before each stream: from its first moment on, nothing is
// confirmed that is not kept.
func (k *keeper) begin(now time.Time) {
	k.kept, k.noDatabase = now, false
	k.s.progress.keepWithin(max(k.file.LSN, k.database.LSN), true)
}

// recall reads both memories, into found. It is called when a slot is free and
// this process has not read from it.
func (k *keeper) recall(ctx context.Context, c *control, system string) error {
	if k.forgot {
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
	k.found = newest(k.found, p, system)
	k.file, k.database = k.found, k.found
	k.s.shape.recall(k.found)
	return nil
}

// state is what the memories are to hold now; may is what could be confirmed
// if it were held, and moved whether a change or much of the log lies between.
func (p *progress) state() (place Place, may pgoutput.LSN, last pgoutput.LSN, certain bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	place = Place{LSN: p.handled, Commit: p.last.commit, CommitTime: p.last.time}
	return place, p.ready, p.lastWith, p.slot == 0 && p.handled != 0
}

// keep saves the place where that is due, always where final. It caps what is
// confirmed at what is kept, for as long as anything keeps it.
func (k *keeper) keep(ctx context.Context, c *control, now time.Time, final bool) {
	place, may, with, certain := k.s.progress.state()
	if !certain {
		return
	}
	if place.LSN < k.found.LSN {
		return // on the way to where an earlier process was
	}
	k.s.describe(&place)
	if k.s.opts.Memory != nil && !place.equal(k.file, keepWholeInFile) && (final || now.Sub(k.fileAt) >= keepInFile) {
		k.fileAt = now
		k.saveFile(ctx, place, now)
	}
	if c != nil && !k.noDatabase && !place.equal(k.database, keepWholeInDatabase) && (final || k.dueInDatabase(place, may, with, now)) {
		k.databaseAt = now
		k.saveDatabase(ctx, c, place, now)
	}
	k.cap(ctx, now)
}

// dueInDatabase tells whether the place is worth a write to the database: with
// is the end of the last transaction that had a change in it.
func (k *keeper) dueInDatabase(p Place, may, with pgoutput.LSN, now time.Time) bool {
	since, kept := now.Sub(k.databaseAt), k.database.LSN
	worth := with > kept || uint64(p.LSN-min(kept, p.LSN)) >= keepBytes || p.Broken != k.database.Broken
	alone := k.s.opts.Memory == nil || k.fileFails
	switch {
	case worth && alone && may > kept:
		return since >= keepWaiting
	case worth:
		return since >= keepInDatabase
	}
	return since >= keepIdle
}

func (k *keeper) saveFile(ctx context.Context, p Place, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, k.s.opts.Connect)
	defer cancel()
	err := k.s.opts.Memory.Save(ctx, p)
	switch {
	case err == nil:
		k.file, k.kept, k.fileFails, k.fileProblem = p, now, false, ""
	case !k.fileFails:
		k.fileFails, k.fileProblem = true, err.Error()
		k.s.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "what was confirmed cannot be kept in the state file", slog.String("error", err.Error()))
	}
}

// saveDatabase: what the server refuses is not tried again on this connection.
func (k *keeper) saveDatabase(ctx context.Context, c *control, p Place, now time.Time) {
	err := c.saveObject(ctx, p)
	var pg *pgconn.PgError
	switch {
	case err == nil:
		k.database, k.kept, k.dbProblem = p, now, ""
	case errors.As(err, &pg), errors.Is(err, errNoObject):
		k.noDatabase, k.dbProblem = true, err.Error()
	}
}

// cap bounds what is confirmed.
func (k *keeper) cap(ctx context.Context, now time.Time) {
	hopeless := k.noDatabase && (k.s.opts.Memory == nil || k.fileFails)
	if hopeless && !k.warned {
		k.warned = true
		k.s.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "nothing keeps what was confirmed: what happens to the slot while no bridge runs can go unnoticed",
			slog.String("file", k.fileProblem), slog.String("database", k.dbProblem), slog.String("remedy", "set replay.state_file to a path that the bridge may write to"))
	}
	k.s.progress.keepWithin(max(k.file.LSN, k.database.LSN), !hopeless && now.Sub(k.kept) < keepPatience)
}

// keepWithin caps what is confirmed at kept, or does not.
func (p *progress) keepWithin(kept pgoutput.LSN, capped bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept, p.capped = kept, capped
}

// describe adds to a place what belongs to the source.
func (s *Source) describe(p *Place) {
	p.System, p.Timeline = s.history.system, s.history.timeline
	p.Database, p.Slot, p.Publication = s.history.database, s.opts.Slot, s.opts.Publication
	s.shape.describe(p)
}
