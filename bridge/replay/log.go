package replay

import (
	"time"

	"chatbridge/mapping/contract"
	"chatbridge/socketio"
	"chatbridge/source"
)

// Options bounds a Log. All bounds hold at once.
type Options struct {
	// Window is how long an event is kept after its publication, unless a bound below
	// evicts it: what a client that connects or subscribes is promised.
	Window time.Duration
	// MaxEvents bounds the entries of all workspaces together.
	MaxEvents int
	// MaxBytes bounds the packets' sizes of all workspaces together, and of the packets
	// under messages' other ids as far as there is room. The newest event is kept whatever
	// its size.
	MaxBytes int64
	// WorkspaceEvents and WorkspaceBytes are the same bounds for each workspace; 0 is no
	// bound. A workspace's newest event is kept whatever its size.
	WorkspaceEvents int
	WorkspaceBytes  int64
}

// DefaultOptions keeps 60 seconds, at most 250,000 events and 128 MiB. At the
// measured size of an event (about 700 bytes with its frame) both bounds are about
// equal: some 4,000 events a second for a minute.
func DefaultOptions() Options {
	return Options{Window: 60 * time.Second, MaxEvents: 250_000, MaxBytes: 128 << 20}
}

// Slack is how much longer than Options.Window an event is kept: what was
// promised to a client at the moment it connected is still there when it has
// subscribed and is read.
const Slack = 5 * time.Second

// Event is what Append records. The Packet is kept, the byte slices are copied.
type Event struct {
	Position     source.Position
	Kind         contract.Kind
	Conversation []byte
	// Message is the message's id; needed for Kind MessageStatus only.
	Message []byte
	// Of is set on a status that repeats that of an earlier event, of the same transaction,
	// with the message's other id as Message: it is the message's own id. Kind
	// MessageStatus only.
	Of     []byte
	Packet *socketio.Packet
	// Other is another id of a message, for readers whose Naming asks for it; empty
	// for none. Again tells that the message's row existed before this event. Created is
	// when the row was created, in microseconds since 1970.
	Other   []byte
	Again   bool
	Created int64
}

// Log holds the recent events of all workspaces. The caller's lock guards it, see the
// package.
type Log struct {
	opts   Options
	spaces map[string]*Space
	// largest has on top the Space from which entries are evicted when a bound is exceeded.
	largest heap[*Space]
	events  int
	bytes   int64
	copies  copies
	early   uint64
	shares  uint64
	// next is the sequence number of the next entry. Numbers rise over all
	// workspaces, and never restart.
	next uint64
	head source.Position
	// began is when the Log was made: times inside are counted from it by the
	// monotonic clock, so that a step of the wall clock ages nothing.
	began time.Time
	// marks tell which sequence number was next at a time, a mark each
	// MarkEvery, oldest first.
	marks queue[mark]
	// oldest is the time of the oldest entry that the last sweep left, sweeping
	// that of the oldest which the present sweep has found so far; 0 is none.
	oldest, sweeping time.Duration
	// floor is the Floor with which every new Space begins: what came before the Log's
	// first event. forgotten has the floors of the Spaces that were forgotten, for when
	// they are made again; past maxForgotten of them, whichever the map yields first is
	// merged into floor.
	floor     Floor
	forgotten map[string]Floor
}

const maxForgotten = 10_000

// mark: from at on, entries have the sequence number seq or a later one.
type mark struct {
	at  time.Duration
	seq uint64
}

// MarkEvery is the precision of SinceTime.
const MarkEvery = 50 * time.Millisecond

// New returns an empty Log.
func New(opts Options) *Log {
	return &Log{opts: opts, spaces: make(map[string]*Space), forgotten: make(map[string]Floor), began: time.Now()}
}

// Stats is a Log's state at one moment.
type Stats struct {
	Events     int
	Bytes      int64
	Workspaces int
	// EvictedEarly counts the events that a bound evicted within the window.
	EvictedEarly uint64
	// EvictedShare counts the events that a bound of their workspace evicted.
	EvictedShare uint64
	// Oldest is the age of the oldest entry, 0 in an empty Log.
	Oldest time.Duration
	// Head is the position of the newest event ever appended.
	Head source.Position
}

// Stats reports the Log's state as of now; Oldest is as of the last Swept.
func (l *Log) Stats(now time.Time) Stats {
	s := Stats{
		Events: l.events, Bytes: l.bytes + l.copies.bytes, Workspaces: len(l.spaces),
		EvictedEarly: l.early, EvictedShare: l.shares, Head: l.head,
	}
	if l.events > 0 && l.oldest > 0 {
		s.Oldest = l.since(now) - l.oldest
	}
	return s
}

// since returns the monotonic time since the Log was made.
func (l *Log) since(now time.Time) time.Duration { return now.Sub(l.began) }

// Space returns the workspace's part of the Log, kept at least until the
// matching Release.
func (l *Log) Space(workspace string) *Space {
	s := l.spaces[workspace]
	if s == nil {
		s = newSpace(workspace, l.floor.Later(l.forgotten[workspace]))
		delete(l.forgotten, workspace)
		l.spaces[workspace] = s
		l.largest.add(s)
	}
	s.refs++
	return s
}

// Release ends the use of a Space. An empty Space that nobody uses is forgotten.
func (l *Log) Release(s *Space) {
	s.refs--
	l.forget(s)
}

// Sequence returns the sequence number that the next entry gets, in any Space.
func (l *Log) Sequence() uint64 { return l.next }

// SinceTime returns a sequence number that is not past that of the first entry
// published at t or later. Entries in between were published at most MarkEvery before t.
func (l *Log) SinceTime(t time.Time) uint64 {
	at := l.since(t)
	lo, hi := 0, l.marks.len()
	for lo < hi {
		if mid := (lo + hi) / 2; l.marks.at(mid).at <= at {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	switch {
	case lo == 0:
		return 0
	case at < l.marks.at(lo-1).at+MarkEvery:
		return l.marks.at(lo - 1).seq
	case lo < l.marks.len():
		return l.marks.at(lo).seq
	}
	return l.next
}

// Append records an event in s as published at now and returns its sequence
// number. While a bound is exceeded, it evicts the oldest entry of the largest
// conversation of the largest workspace, so that an import into one costs the
// others nothing. Positions must increase, over all workspaces.
func (l *Log) Append(s *Space, ev Event, now time.Time) uint64 {
	seq := l.next
	l.next++
	at := l.since(now)
	if n := l.marks.len(); n == 0 || at-l.marks.at(n-1).at >= MarkEvery {
		l.marks.push(mark{at: at, seq: seq})
	}
	if l.head.IsZero() && l.floor.Position.IsZero() {
		l.begin(ev.Position, at)
	}
	size := int64(ev.Packet.Size())
	s.append(ev, seq, at, size, l.eventWeight())
	l.largest.grown(s.place)
	l.events++
	l.bytes += size
	if l.head.Compare(ev.Position) < 0 {
		l.head = ev.Position
	}
	for l.overShare(s) {
		l.shares++
		l.makeRoom(s, at)
	}
	for l.Full(0) {
		l.makeRoom(l.largest.items[0], at)
	}
	for range maxScan { // what is left goes with the next events
		if l.bytes+l.copies.bytes <= l.opts.MaxBytes || l.copies.made.len() == 0 {
			break
		}
		l.copies.dropOldest()
	}
	return seq
}

// overShare tells whether a workspace exceeds WorkspaceEvents or WorkspaceBytes.
func (l *Log) overShare(s *Space) bool {
	bytes := s.size - int64(s.events)*l.eventWeight()
	return s.events > 1 && (l.opts.WorkspaceEvents > 0 && s.events > l.opts.WorkspaceEvents ||
		l.opts.WorkspaceBytes > 0 && bytes > l.opts.WorkspaceBytes)
}

// makeRoom evicts the oldest entry of the workspace's largest conversation.
func (l *Log) makeRoom(s *Space, at time.Duration) {
	busiest := s.busiest.items[0]
	if at-busiest.entries.front().at < l.opts.Window {
		l.early++
	}
	l.evict(s, busiest)
}

// begin raises the floors to just before the Log's first event: the Log does not hold
// what was published before that.
func (l *Log) begin(first source.Position, at time.Duration) {
	l.floor = Floor{At: at, Position: source.Position{Commit: first.Commit - 1, Index: ^uint32(0)}}
	for _, s := range l.spaces {
		s.startAt(l.floor)
	}
}

// Full tells whether an event of size bytes would evict another one; for size 0, whether
// the Log exceeds a bound now. The only event of the Log is never evicted for room.
func (l *Log) Full(size int) bool {
	more := 0
	if size > 0 {
		more = 1
	}
	return l.events+more > 1 && (l.events+more > l.opts.MaxEvents || l.bytes+int64(size) > l.opts.MaxBytes)
}

// Victim returns the Space and the sequence number of the entry that would be evicted
// next for want of room; nil if the Log is empty.
func (l *Log) Victim() (s *Space, seq uint64) {
	if l.events == 0 {
		return nil, 0
	}
	s = l.largest.items[0]
	return s, s.busiest.items[0].entries.front().seq
}

// eventWeight is what an entry counts for beside its bytes where shares are
// compared, so that many small events weigh as much as few large ones.
func (l *Log) eventWeight() int64 { return max(l.opts.MaxBytes/int64(max(l.opts.MaxEvents, 1)), 1) }

// Due reports whether s has an entry that is older than the window and Slack. It is to be
// called for each Space every second or so, for those that have one Expire, and then Swept.
func (l *Log) Due(s *Space, now time.Time) bool {
	e := s.oldest()
	if e == nil {
		return false
	}
	if l.old(e, now) {
		return true
	}
	l.remains(e)
	return false
}

// Expire evicts from s what is older than the window and Slack, but nothing that
// has the sequence number keep or a later one (what a client is still to read), and
// limit entries at most. It reports whether there may be more to evict.
func (l *Log) Expire(s *Space, now time.Time, keep uint64, limit int) (more bool) {
	for range limit {
		e := s.oldest()
		if e == nil {
			return false
		}
		if !l.old(e, now) || e.seq >= keep {
			l.remains(e)
			return false
		}
		l.evict(s, s.front())
	}
	return true
}

// old reports whether an entry is older than the window and Slack.
func (l *Log) old(e *entry, now time.Time) bool { return e.at <= l.since(now)-l.opts.Window-Slack }

// remains notes the oldest entry that a sweep leaves in a Space.
func (l *Log) remains(e *entry) {
	if l.sweeping == 0 || e.at < l.sweeping {
		l.sweeping = e.at
	}
}

// Swept ends a round of Due and Expire over all Spaces.
func (l *Log) Swept(now time.Time) {
	l.oldest, l.sweeping = l.sweeping, 0
	l.expireMarks(now)
}

// expireMarks forgets the marks older than the window and Slack, but for the last of
// these.
func (l *Log) expireMarks(now time.Time) {
	old := l.since(now) - l.opts.Window - Slack
	for l.marks.len() > 1 && l.marks.at(1).at < old {
		l.marks.pop()
	}
}

// Clear empties the Log and lets positions restart anywhere. Sequence numbers go on;
// what was evicted counts as lost to those who read.
func (l *Log) Clear() {
	for _, s := range l.spaces {
		for s.events > 0 {
			l.evict(s, s.front())
		}
		s.clearPositions()
	}
	l.head = source.Position{}
	l.floor = Floor{}
	clear(l.forgotten)
}

// evict forgets a conversation's oldest entry.
func (l *Log) evict(s *Space, c *conversation) {
	l.copies.drop(c.entries.front())
	l.bytes -= s.evict(c, l.eventWeight())
	l.events--
	l.copies.forget()
	l.largest.shrunk(s.place)
	l.forget(s)
}

func (l *Log) forget(s *Space) {
	if s.refs > 0 || s.events > 0 || l.spaces[s.Workspace] != s {
		return
	}
	delete(l.spaces, s.Workspace)
	l.largest.remove(s.place)
	floor := s.floor()
	if floor == l.floor {
		return // nothing of it has been evicted
	}
	if len(l.forgotten) >= maxForgotten {
		for workspace, f := range l.forgotten {
			l.floor = l.floor.Later(f)
			delete(l.forgotten, workspace)
			break
		}
	}
	l.forgotten[s.Workspace] = floor
}

// Head returns the position of the newest event ever appended.
func (l *Log) Head() source.Position { return l.head }

// TimeOf returns the wall-clock time of a time inside the Log.
func (l *Log) TimeOf(at time.Duration, now time.Time) time.Time { return now.Add(at - l.since(now)) }
