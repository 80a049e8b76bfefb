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
	"chatbridge/source/postgres/pgoutput"
)

// Shape is what decides which changes reach the stream, in a form that can be
// compared: for each object, such as a table, a text that differs once the object
// was changed or created again under its name.
type Shape map[string]string

// changed returns the objects that are in both shapes and differ.
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
	// Remedy is the statement that resolves it.
	Remedy string
}

// Inspection is what Options.Inspect found.
type Inspection struct {
	Shape Shape
	// Faults are what is wrong now, nothing where all is well.
	Faults []Fault
}

// shapeState is what inspections have found. Stats reads it.
type shapeState struct {
	mu        sync.Mutex
	known     Shape     // of the last inspection without faults
	healthyAt time.Time // when that was, by the server's clock
	broken    bool
	faults    []Fault
	turned    time.Time // when faults last began or ended, by our clock; zero for never
}

// describe adds the state to a place.
func (s *shapeState) describe(p *Place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.Shape, p.HealthyAt, p.Broken = s.known, s.healthyAt, s.broken
}

// recall restores what an earlier process knew.
func (s *shapeState) recall(p Place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known, s.healthyAt, s.broken = p.Shape, p.HealthyAt, p.Broken
}

// restart makes the next inspection the first: a gap has been reported that
// covers all up to the time until, by the server's clock.
func (s *shapeState) restart(until time.Time) { s.recall(Place{HealthyAt: until}) }

func (s *shapeState) current() (faults []Fault, turned time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults, s.turned
}

// take notes an inspection that began at now and ended at until, with what it
// fixed. It returns the gap to report, nil where there is none, and whether the
// faults differ from those before.
func (s *shapeState) take(in *Inspection, now, until time.Time) (*source.Gap, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	differs := !slices.Equal(s.faults, in.Faults)
	if (len(s.faults) > 0) != (len(in.Faults) > 0) {
		s.turned = time.Now()
	}
	s.faults = in.Faults
	if len(in.Faults) > 0 {
		s.broken = true
		return nil, differs
	}
	var gap *source.Gap
	changed := s.known.changed(in.Shape)
	if s.broken || len(changed) > 0 {
		reason := "the database was changed so that changes did not reach the bridge"
		if len(changed) > 0 {
			reason += ": " + strings.Join(changed, ", ")
		}
		gap = &source.Gap{Reason: reason, Since: s.healthyAt.UTC(), Until: until.UTC()}
	}
	s.known, s.healthyAt, s.broken = in.Shape, now, false
	return gap, differs
}

// inspect runs Options.Inspect and returns the gap to report. An inspection that
// fails changes nothing.
func (s *Source) inspect(ctx context.Context, c *control, now time.Time) *source.Gap {
	if s.opts.Inspect == nil {
		return nil
	}
	ctx, cancel := c.bound(ctx)
	defer cancel()
	in, err := s.opts.Inspect(ctx, c.conn)
	if err != nil {
		if ctx.Err() == nil && !s.inspectFailed {
			s.inspectFailed = true
			s.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "the database cannot be inspected", slog.String("error", err.Error()))
		}
		return nil
	}
	s.inspectFailed = false
	// What was committed while something was being fixed is missing too.
	until := now
	if err := c.conn.QueryRow(ctx, "select clock_timestamp()").Scan(&until); err != nil {
		return nil // the next inspection finds it
	}
	gap, differs := s.shape.take(&in, now, until)
	switch {
	case !differs:
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

// pendingGap is a gap that is reported between two transactions, once all before the
// place after is handled: what the slot retains of the time before a restart comes
// first, because it is older. A stream that ends before leaves it to the next one.
type pendingGap struct {
	gap   *source.Gap
	after pgoutput.LSN
}

// add notes a gap, whose time begins with that of one that was not reported yet.
func (p *pendingGap) add(g *source.Gap, after pgoutput.LSN) {
	if before := p.gap; before != nil && before.Since.Before(g.Since) {
		g.Since = before.Since
	}
	p.gap, p.after = g, max(p.after, after)
}

// reportPending reports the gap that is pending, if that is due. No transaction is
// open.
func (r *reading) reportPending() error {
	p := &r.s.pending
	if g := r.gap.Swap(nil); g != nil {
		p.add(g, 0)
	}
	reached, last := r.s.progress.reached()
	if p.gap == nil || reached < p.after {
		return nil
	}
	g := *p.gap
	g.After, g.Resume = uint64(last.commit), uint64(reached)
	*p = pendingGap{}
	// A process that starts again shall not take what lies around the gap for all
	// that there was.
	r.s.progress.release()
	return r.s.reportGap(r.ctx, r.handler, g)
}

// reportGap reports a gap to the handler.
func (s *Source) reportGap(ctx context.Context, h source.Handler, g source.Gap) error {
	s.counters.gaps.Add(1)
	s.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "changes may be lost", slog.String("slot", s.opts.Slot),
		slog.String("reason", g.Reason), slog.Time("since", g.Since), slog.Time("until", g.Until))
	if err := h.Gap(g); err != nil {
		return &handlerError{err}
	}
	return nil
}

// String gives what was found and its remedy, in one line.
func (f Fault) String() string {
	if f.Remedy == "" {
		return f.What
	}
	return fmt.Sprintf("%s; %s", f.What, f.Remedy)
}
