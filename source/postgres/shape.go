package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"chatbridge/source"
)

// Shape is what decides which changes reach the stream, in a form that can be
// compared: for each thing, such as a table, a text that is another one when
// the thing has been changed, or made anew under its name.
type Shape map[string]string

// changed returns the things that are in both shapes and differ.
func (s Shape) changed(now Shape) []string {
	var names []string
	for name, was := range s {
		if is, ok := now[name]; ok && is != was {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Fault is something at the database that keeps changes from the stream or
// makes them useless.
type Fault struct {
	// What was found, in one sentence.
	What string
	// Remedy is the statement that mends it.
	Remedy string
}

// Inspection is one look at the database.
type Inspection struct {
	Shape Shape
	// Faults are what is wrong now, nothing where all is well.
	Faults []Fault
}

// shapeState is what inspections have found. Stats reads it.
type shapeState struct {
	mu     sync.Mutex
	known  Shape     // when all was well last
	whole  time.Time // when that was, by the server's clock
	broken bool
	faults []Fault
}

// describe adds it to a place.
func (s *shapeState) describe(p *Place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.Shape, p.Whole, p.Broken = s.known, s.whole, s.broken
}

// recall takes what an earlier process knew.
func (s *shapeState) recall(p Place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known, s.whole, s.broken = p.Shape, p.Whole, p.Broken
}

// restart makes the next inspection the first: a gap has been reported that
// covers all up to the time until, by the server's clock.
func (s *shapeState) restart(until time.Time) { s.recall(Place{Whole: until}) }

func (s *shapeState) current() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults
}

// take notes an inspection that began at now and ended at until, when what it
// mended was mended. It returns the gap to report, nil
// where there is none, and whether the faults are others than before.
func (s *shapeState) take(in *Inspection, now, until time.Time) (*source.Gap, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	news := !slices.Equal(s.faults, in.Faults)
	s.faults = in.Faults
	if len(in.Faults) > 0 {
		s.broken = true
		return nil, news
	}
	var gap *source.Gap
	changed := s.known.changed(in.Shape)
	if s.broken || len(changed) > 0 {
		reason := "the database was changed so that changes did not reach the bridge"
		if len(changed) > 0 {
			reason += ": " + strings.Join(changed, ", ")
		}
		gap = &source.Gap{Reason: reason, Since: s.whole.UTC(), Until: until.UTC()}
	}
	s.known, s.whole, s.broken = in.Shape, now, false
	return gap, news
}

// inspect looks at the database as Options.Inspect does, and returns the gap
// that has to be reported. An inspection that fails tells nothing.
func (s *Source) inspect(ctx context.Context, c *control, now time.Time) *source.Gap {
	if s.opts.Inspect == nil {
		return nil
	}
	ctx, cancel := c.bound(ctx)
	defer cancel()
	in, err := s.opts.Inspect(ctx, c.conn)
	if err != nil {
		if ctx.Err() == nil && !s.blind {
			s.blind = true
			s.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "the database cannot be inspected", slog.String("error", err.Error()))
		}
		return nil
	}
	s.blind = false
	// What was committed while something was being mended is missing too.
	until := now
	if err := c.conn.QueryRow(ctx, "select clock_timestamp()").Scan(&until); err != nil {
		return nil // the next one tells
	}
	gap, news := s.shape.take(&in, now, until)
	switch {
	case !news:
	case len(in.Faults) == 0:
		s.opts.Logger.LogAttrs(ctx, slog.LevelInfo, "the database is as it must be again", slog.String("slot", s.opts.Slot))
	default:
		for _, f := range in.Faults {
			s.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "the database was changed: changes do not reach the bridge",
				slog.String("slot", s.opts.Slot), slog.String("fault", f.What), slog.String("remedy", f.Remedy))
		}
	}
	return gap
}

// tell reports a gap in a history that goes on.
func (s *Source) tell(ctx context.Context, h source.Handler, g source.Gap) error {
	s.counters.gaps.Add(1)
	s.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "changes may be lost", slog.String("slot", s.opts.Slot),
		slog.String("reason", g.Reason), slog.Time("since", g.Since), slog.Time("until", g.Until))
	if err := h.Gap(g); err != nil {
		return &handlerError{err}
	}
	return nil
}

// String gives what was found and what mends it, for one line.
func (f Fault) String() string {
	if f.Remedy == "" {
		return f.What
	}
	return fmt.Sprintf("%s; %s", f.What, f.Remedy)
}
