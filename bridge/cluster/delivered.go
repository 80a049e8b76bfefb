package cluster

import (
	"context"
	"time"
)

// Delivered is how much of a history bridges of the cluster have received. A database that
// continues the history must have at least that.
type Delivered struct {
	Epoch Epoch
	// Through: this bridge was given all that was committed before it. It is after Commit.
	Through uint64
	// Commit and Time are those of the last transaction, zero where none is known.
	Commit uint64
	Time   time.Time
}

// note adds a transaction of the history.
func (d *Delivered) note(commit uint64, at time.Time) {
	if commit > d.Commit {
		d.Commit, d.Time = commit, at
	}
}

// record takes the transaction of a record. Of those that are no events the time is not
// known. And what was read back from the tables has a place between those of transactions,
// which are multiples of eight.
func (d *Delivered) record(r *Record) {
	if r.Kind == Published && r.ID.Commit%8 == 0 {
		d.note(r.ID.Commit, r.Commit.UTC())
	}
}

// Delivered returns what this bridge was given while it did not read the database, and what
// others were given as far as Redis tells; ok is false for nothing. A database that lacks
// that has another history, although nothing that it remembers shows it.
func (n *Node) Delivered(ctx context.Context) (d Delivered, ok bool) {
	if n.leader.Load() != nil {
		return Delivered{}, false // while it leads, its source knows
	}
	e := n.edge.Stats()
	if d.Epoch = e.Epoch; e.Epoch.Continues(e.Delivered.Epoch) {
		d.note(e.Delivered.Commit, e.Delivered.Time)
	}
	if e.Place != nil {
		d.note(e.Place.Commit, e.Place.Time)
	}
	if e.Joined {
		d.Through = e.Cover.Commit
	}
	n.deliveredElsewhere(ctx, &d)
	if d.Commit != 0 {
		d.Through = max(d.Through, d.Commit+1)
	}
	return d, d.Through != 0
}

// deliveredElsewhere adds what is at the end of the stream: another edge may have read that.
// Where Redis does not answer, that stays unknown.
func (n *Node) deliveredElsewhere(ctx context.Context, d *Delivered) {
	n.asked.Store(&askedHistory{at: time.Now()})
	n.askRedis(ctx, func(ctx context.Context, store Store, raw RawBeat, b *Beat) {
		n.asked.Store(&askedHistory{b.Epoch, time.Now()})
		d.addStream(ctx, store, raw, b)
	})
}

// askRedis calls f with the beat in Redis, if there is one and Redis answers in time.
func (n *Node) askRedis(ctx context.Context, f func(ctx context.Context, store Store, raw RawBeat, b *Beat)) {
	ctx, cancel := context.WithTimeout(ctx, placeTimeout)
	defer cancel()
	store, err := n.opts.Dial(ctx)
	if err != nil {
		return
	}
	defer store.Close()
	if raw, b, err := readBeat(ctx, store); err == nil && b != nil {
		f(ctx, store, raw, b)
	}
}

// addStream adds what is at the end of the stream of a beat.
func (d *Delivered) addStream(ctx context.Context, store Store, raw RawBeat, b *Beat) {
	if !d.Epoch.IsZero() && !b.Epoch.Continues(d.Epoch) {
		return
	}
	if d.Epoch.IsZero() || b.Epoch.newer(d.Epoch) {
		d.Epoch = b.Epoch
	}
	if b.Place != nil {
		d.note(b.Place.Commit, b.Place.Time)
	}
	for after := b.Tail.before(); ; {
		reply, err := store.Read(ctx, b.Epoch, after, raw.Name, time.Millisecond)
		if err != nil || len(reply.Entries) == 0 {
			return
		}
		for _, data := range reply.Entries {
			entry, err := DecodeEntry(data)
			if err != nil {
				return
			}
			for i := range entry.Records {
				d.record(&entry.Records[i])
			}
			after = entry.ID
		}
	}
}

// askedHistory is the history that Redis answered, zero for no answer or none.
type askedHistory struct {
	epoch Epoch
	at    time.Time
}

// askedFor is how long Place takes the answer that Delivered had: between the two the source
// inspects the database.
const askedFor = 2 * time.Second

// historyInRedis returns the history in Redis, zero for none or no answer. It uses the answer
// that Delivered had less than askedFor ago, once.
func (n *Node) historyInRedis(ctx context.Context) (epoch Epoch) {
	if a := n.asked.Swap(nil); a != nil && time.Since(a.at) < askedFor {
		return a.epoch
	}
	n.askRedis(ctx, func(_ context.Context, _ Store, _ RawBeat, b *Beat) { epoch = b.Epoch })
	return epoch
}
