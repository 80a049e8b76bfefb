package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// learn reads from Redis how often the history has begun anew.
func (l *Leader) learn(ctx context.Context, store Store) error {
	b, err := l.lastBeat(ctx, store)
	if err != nil || b == nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if b.Epoch.History() != l.epoch.History() || b.Leader == l.opts.Name && b.Since.Equal(l.began) {
		return nil
	}
	count := b.Epoch.Count
	if l.unannounced {
		count++ // the beat is of the history before
	}
	if count > l.epoch.Count {
		l.epoch.Count = count
		if l.restarts == 0 && l.opts.backlog != nil {
			// What was taken over is of another history than this bridge knew of.
			l.backlog.reset(l.backlog.newest())
		}
		l.beginAt(ID{}, l.backlog.floor)
	}
	if l.restarts == 0 {
		l.restart = b.Restart
	}
	return nil
}

// lastBeat returns the beat that is in Redis, nil for none. One of a later format is
// an error: its leader's bridges would not understand ours, and may be as well as they are.
// What is no beat, or of an earlier format, is as good as none: the next beat of this Leader
// replaces it, and who wrote that does not lead, if this bridge has the slot.
func (l *Leader) lastBeat(ctx context.Context, store Store) (*Beat, error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	raw, b, err := readBeat(ctx, store)
	if !errors.Is(err, errNoBeat) {
		return b, err
	}
	if raw.Name == l.invalidBeat {
		return nil, nil // the same invalid beat as before, which was logged
	}
	if _, ours := l.ask(ctx); !ours {
		return nil, err
	}
	l.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "what is in Redis in place of the leader's beat was written by no bridge of this version; replacing it", slog.String("error", err.Error()))
	l.invalidBeat = raw.Name
	return nil, nil
}

// readBeat returns the beat that is in Redis, as it is there too, nil for none.
func readBeat(ctx context.Context, store Store) (RawBeat, *Beat, error) {
	raw, err := store.LastBeat(ctx)
	if err != nil || raw.Text == nil {
		return raw, nil, err
	}
	b, err := decodeBeat(&raw)
	return raw, b, err
}

// refused finds where to go on in a stream whose last entry is another one.
func (l *Leader) refused(ctx context.Context, store Store, epoch Epoch, last ID) error {
	b, err := l.lastBeat(ctx, store)
	if err != nil {
		return err
	}
	streaming := l.opts.Source().Streaming
	l.mu.Lock()
	defer l.mu.Unlock()
	if epoch != l.epoch {
		return nil // another history has begun meanwhile
	}
	l.stats.Refused++
	lost, known := l.last.After(last), later(l.last, l.trusted)
	if lost {
		l.stats.Refills++
		l.lostAgain(time.Now())
		l.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "Redis lacks what it had acknowledged; appending it again",
			slog.String("had", l.last.String()), slog.String("has", last.String()), slog.Int("events", l.backlog.count(last)), slog.String("remedy", remedyLost))
	}
	overtaken := last.After(l.last) && last.After(l.backlog.newest())
	floor := l.backlog.floor
	switch {
	case last.IsZero():
		// Empty: the backlog is all that there is.
		l.beginAt(last, floor)
	case !floor.After(last):
		l.beginAt(last, last)
		if !lost && b != nil && b.Epoch == epoch && !b.Base.After(last) {
			l.base = b.Base
		}
	case b != nil && b.Epoch == epoch && b.Tail == last && !floor.After(startOf(b.Through)):
		// Nothing was committed between the last entry and the backlog.
		l.beginAt(last, floor)
		l.prev, l.base = last, b.Base
	default:
		l.beginAt(last, floor)
		l.replace = true
		l.stats.Replaced++
		l.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "what is in Redis is too old to go on from; replacing it, because something may be missing between",
			slog.String("has", last.String()), slog.String("needs", floor.String()))
	}
	if !last.IsZero() && !l.replace {
		l.doubt = &doubt{after: later(known, floor), to: last, since: time.Now()}
		if !last.After(l.doubt.after) {
			l.doubt.after = last.before() // the last one is looked at in any case
		}
	}
	if overtaken && !streaming {
		select {
		case l.overtaken <- struct{}{}:
		default:
		}
	}
	return nil
}

// beat writes a beat and trims old entries. Redis refuses it if the stream has lost something.
func (l *Leader) beat(ctx context.Context, store Store, now time.Time) error {
	// The source's position is read first, so that the backlog has everything before it.
	b, epoch, keep := l.nextBeat(l.opts.Source(), now)
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	for _, old := range l.formerEpochs() {
		if err := store.Remove(ctx, old); err != nil {
			return err
		}
		l.removed(old)
	}
	last, through, err := store.Beat(ctx, epoch, b.Tail, keep, b.Through, b.encode())
	if err != nil {
		return err
	}
	if last != b.Tail {
		return l.refused(ctx, store, epoch, last)
	}
	if through > b.Through {
		if err := l.checkThrough(ctx, epoch, b.Tail, through); err != nil {
			return err
		}
	}
	l.explain(ctx, store)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Beats++
	if l.stats.Connected && now.Sub(l.stats.Since) >= edgesReturn {
		l.backlog.expire(now.Add(-l.opts.Keep), l.cursor)
	}
	if epoch == l.epoch {
		l.unannounced = false
		l.through = max(l.through, b.Through)
	}
	if len(b.Gaps) == len(l.gaps) {
		l.newGaps = false
	}
	return nil
}

// nextBeat returns the beat for the source's state.
func (l *Leader) nextBeat(s SourceState, now time.Time) (b *Beat, epoch Epoch, keep ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.gaps) > 0 && now.Sub(l.gaps[0].Until) > gapsFor {
		l.gaps = l.gaps[1:]
	}
	b = &Beat{
		Epoch: l.epoch, Tail: l.last, Base: l.base, Leader: l.opts.Name, Since: l.began,
		Commit: s.Commit, Flowing: s.Flowing, State: s.State, Reason: s.Reason,
		Stuck: l.stuck(now), Place: s.Place, Restart: l.restart, Gaps: append([]Gap(nil), l.gaps...),
	}
	switch {
	case l.doubt != nil:
		b.Place = nil // bridges that have what is in doubt may lack what is before that
	case l.backlog.count(l.cursor) == 0 && !l.replace:
		b.Through = s.Through
	}
	return b, l.epoch, l.keep(now)
}

// checkThrough checks another leader's beat whose Through is greater than this one's, because
// edges believe that they have everything before it.
func (l *Leader) checkThrough(ctx context.Context, epoch Epoch, tail ID, through uint64) error {
	l.mu.Lock()
	believed := through <= l.believed
	l.mu.Unlock()
	if believed {
		return nil
	}
	db, ok := l.ask(ctx)
	switch {
	case !ok:
		return nil
	case db.End < through:
		l.begin(ctx, epoch, tail, fmt.Sprintf("a beat says that all before %d is there, and the database's log ends at %d", through, db.End))
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.believed = through
	return nil
}

func (l *Leader) gapsToTell() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.newGaps
}

func (l *Leader) formerEpochs() []Epoch {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Epoch(nil), l.former...)
}

func (l *Leader) removed(old Epoch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, e := range l.former {
		if e == old {
			l.former = append(l.former[:i:i], l.former[i+1:]...)
			return
		}
	}
}
