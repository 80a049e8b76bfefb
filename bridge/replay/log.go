package replay

import (
	"time"

	"chatbridge/mapping"
	"chatbridge/socketio"
	"chatbridge/source"
)

// Options bounds a Log. All three bounds hold at once.
type Options struct {
	// Window is how long an event is kept after its publication.
	Window time.Duration
	// MaxEvents bounds the entries of all workspaces together.
	MaxEvents int
	// MaxBytes bounds the packets' sizes of all workspaces together.
	MaxBytes int64
}

// DefaultOptions keeps 60 seconds, at most 250,000 events or 128 MiB: at the
// measured size of an event (about 700 bytes with its frame) the number and
// the bytes meet, and both are some 4,000 events a second for a minute.
func DefaultOptions() Options {
	return Options{Window: 60 * time.Second, MaxEvents: 250_000, MaxBytes: 128 << 20}
}

// Event is what Append records. The Packet is kept, the byte
// slices are copied.
type Event struct {
	Position     source.Position
	Kind         mapping.Kind
	Conversation []byte
	// Message is the message's id; needed for Kind MessageStatus only.
	Message []byte
	Packet  *socketio.Packet
}

// Log is the recent past of all workspaces. See the package for who may call.
type Log struct {
	opts   Options
	spaces map[string]*Space
	// order names the Space of each entry, oldest first: the global order in
	// which the bounds evict.
	order ring[*Space]
	bytes int64
	early uint64
	// appended counts all entries ever. A Space that is made anew numbers its
	// entries from there, so that a number of its predecessor stays behind.
	appended uint64
	head     source.Position
	// evicted is the position of the last entry evicted from any Space: what
	// a Space that is made anew cannot claim to cover.
	evicted source.Position
}

// New returns an empty Log.
func New(opts Options) *Log {
	return &Log{opts: opts, spaces: make(map[string]*Space)}
}

// Stats is a Log's state at one moment.
type Stats struct {
	Events     int
	Bytes      int64
	Workspaces int
	// EvictedEarly counts the events that a bound evicted within the window.
	EvictedEarly uint64
	// Oldest is the age of the oldest entry, 0 in an empty Log.
	Oldest time.Duration
	// Head is the position of the newest event ever appended.
	Head source.Position
}

// Stats reports the Log's state as of now.
func (l *Log) Stats(now time.Time) Stats {
	s := Stats{
		Events: l.order.len(), Bytes: l.bytes, Workspaces: len(l.spaces),
		EvictedEarly: l.early, Head: l.head,
	}
	if l.order.len() > 0 {
		s.Oldest = l.age(now)
	}
	return s
}

// Space returns the workspace's part of the Log, kept at least until the
// matching Release.
func (l *Log) Space(workspace string) *Space {
	s := l.spaces[workspace]
	if s == nil {
		s = newSpace(workspace, l.appended, l.evicted)
		l.spaces[workspace] = s
	}
	s.refs++
	return s
}

// Release gives a Space back. An empty Space that nobody holds is forgotten.
func (l *Log) Release(s *Space) {
	s.refs--
	l.forget(s)
}

// Append records an event in s as published at now, and evicts what no longer
// fits. Positions must increase, over all workspaces.
func (l *Log) Append(s *Space, ev Event, now time.Time) {
	s.append(ev, now)
	l.order.push(s)
	l.appended++
	l.bytes += int64(ev.Packet.Size())
	if l.head.Compare(ev.Position) < 0 {
		l.head = ev.Position
	}
	for l.order.len() > l.opts.MaxEvents || l.bytes > l.opts.MaxBytes {
		if l.age(now) < l.opts.Window {
			l.early++
		}
		l.evict()
	}
}

// Expire evicts what has left the window. To be called every second or so.
func (l *Log) Expire(now time.Time) {
	for l.order.len() > 0 && l.age(now) > l.opts.Window {
		l.evict()
	}
}

// age is that of the oldest entry; there must be one.
func (l *Log) age(now time.Time) time.Duration {
	return time.Duration(now.UnixNano() - (*l.order.front()).entries.front().at)
}

// Clear empties the Log and lets positions begin anew, wherever they begin.
func (l *Log) Clear() {
	for l.order.len() > 0 {
		l.evict()
	}
	l.head, l.evicted = source.Position{}, source.Position{}
	for _, s := range l.spaces {
		s.floor = source.Position{}
	}
}

func (l *Log) evict() {
	s := *l.order.front()
	l.order.pop()
	l.evicted = s.entries.front().position
	l.bytes -= int64(s.evict())
	l.forget(s)
}

func (l *Log) forget(s *Space) {
	if s.refs == 0 && s.entries.len() == 0 {
		delete(l.spaces, s.Workspace)
	}
}

// Head returns the position of the newest event ever appended.
func (l *Log) Head() source.Position { return l.head }
