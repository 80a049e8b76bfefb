package cluster

import (
	"context"
	"errors"
	"time"
)

// Store is what is needed of Redis: the streams of the epochs and that of the beats.
// One goroutine uses it. Each method but Read is one step, which happened or not; an
// error says neither.
type Store interface {
	// Append runs where last is the stream's last ID (zero: it has none), and returns
	// its last ID in any case: that of the new entry, where it ran. errIDTaken: the stream
	// has had a later ID, whose entry was deleted.
	Append(ctx context.Context, epoch Epoch, last ID, a Append) (ID, error)
	// Beat does the same with a beat. It forgets all entries before keep. through is
	// Beat.Through; where the beat before said more, and the stream has not lost anything
	// since, that stays: one of a leader that was replaced takes nothing back. It returns
	// the one that is there now, too.
	Beat(ctx context.Context, epoch Epoch, last, keep ID, through uint64, beat []byte) (at ID, now uint64, err error)
	// LastBeat returns the newest beat, the zero one for none.
	LastBeat(ctx context.Context) (RawBeat, error)
	// Read returns the entries after an ID, the oldest first and not all at once, and
	// the newest beat if it is later than the one of that name. It waits for either,
	// as long as wait. The zero Epoch has no entries.
	Read(ctx context.Context, epoch Epoch, after ID, beat string, wait time.Duration) (Reply, error)
	// Evicts returns what Redis does when it is full, and how many keys it has removed
	// because of that; "" and 0 where it does not tell.
	Evicts(ctx context.Context) (policy string, evicted uint64)
	// Remove removes the stream of an epoch.
	Remove(ctx context.Context, epoch Epoch) error
	// Close ends a step that runs, too. It may be called from any goroutine, and again.
	Close() error
}

// Append is a change of a stream.
type Append struct {
	// Replace removes all entries first; so does a last ID of zero.
	Replace bool
	// ID and Entry are of the new entry; there is none where Entry is nil.
	ID    ID
	Entry []byte
	// Keep: all entries before it are forgotten.
	Keep ID
}

// Reply is what Store.Read returns.
type Reply struct {
	Entries [][]byte
	// Beat is the zero one where there is none.
	Beat RawBeat
}

// RawBeat is a beat as it is in Redis.
type RawBeat struct {
	// Name tells it from others; that of a later one is greater, as Redis orders them.
	Name    string
	Text    []byte
	Through uint64
	// Foreign: it does not have what one of a bridge has.
	Foreign bool
}

// errIDTaken is that of an entry whose ID is not after all that the stream has had.
var errIDTaken = errors.New("append to the stream in Redis: somebody has deleted its last entry, or raised its last ID")

// Dial connects to Redis anew, asking Sentinel again where there is one.
type Dial func(ctx context.Context) (Store, error)
