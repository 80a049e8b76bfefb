package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"time"

	"chatbridge/source/postgres/dial"
	"chatbridge/source/postgres/pgoutput"

	"github.com/jackc/pgx/v5"
)

// CreatePolicy says whether a Source may create and drop its slot.
type CreatePolicy uint8

const (
	// CreateSlot creates a slot that is missing, and drops and creates again
	// one that is lost, past MaxLag, or from before the publication.
	CreateSlot CreatePolicy = iota
	// CreateNothing waits for the operator instead.
	CreateNothing
)

// Stream is what OnStream is told.
type Stream struct {
	// System and Timeline name the server's history, Database is the oid of the database.
	System   string
	Timeline int64
	Database uint32
	// From: all that committed from there on comes.
	From uint64
	// Confirmed is the slot's place: the server may have removed its log before that.
	Confirmed uint64
	// Fresh is false where the stream goes on where this process was. Resumed: it goes on
	// where Options.Resume told.
	Fresh, Resumed bool
}

// Handover is where a Source was, for another one of the same slot to go on there.
type Handover struct {
	// LSN: every transaction that committed before it is handled. Commit and CommitTime
	// are those of the last one that was; zero where none was.
	LSN, Commit pgoutput.LSN
	CommitTime  time.Time
	// System, Timeline and Database name the history, Started one life of its server: it
	// can become another history only between two.
	System   string
	Timeline int64
	Database string
	Started  string
}

// Options configure a Source. The zero value of every field but URL is its
// default. None may be changed after New.
type Options struct {
	// URL is the database's address, as a URL or in keyword form: the direct
	// one, because poolers do not do replication. Options that libpq knows
	// may be in it.
	URL string
	// Password returns the role's password as it is when a connection is made. Nil, or
	// "" from it, for that of the URL. Called from several goroutines.
	Password func() string
	// Publication names what to follow. Default "bridge". It must exist
	// before the slot is created.
	Publication string
	// Slot names the permanent replication slot: lower-case letters, digits
	// and underscores, at most 63. Default "bridge". Of several bridges with
	// the same slot one streams and the others stand by.
	Slot string
	// Tables is what the publication should hold, as schema.table. It is
	// only used in remedies.
	Tables []string
	// MaxLag is how many bytes of the server's log the slot may hold back
	// before it is given up. Where it holds back more when a stream begins, all
	// of it is read, and the slot given up only when it falls behind by MaxLag
	// more than it ever got down to. Default 1 GiB.
	MaxLag uint64
	// Retain is how long, by the server's clock, what is handled stays
	// unconfirmed, so that the next process reads it again. It is given up where
	// it would hold back more than half of MaxLag, or where half of the server's
	// max_slot_wal_keep_size is used up. Default 0: not at all.
	Retain time.Duration
	// Create says whether the slot may be created. Default CreateSlot.
	Create CreatePolicy
	// NoFailover makes the slot one that standbys do not copy. The default, on
	// Postgres 17 and later, is one that they copy where they are set to
	// (sync_replication_slots), so that a promoted standby continues it. A slot
	// that is otherwise is altered, but with CreateNothing.
	NoFailover bool
	// Memory saves what was confirmed outside of the database, such as in a file;
	// nil for none. It is saved in the database too, as a large object of our
	// role, where that is possible (with CreateNothing, where the object is
	// there already). A slot that is missing or does not continue from what
	// either holds is reported as a Gap; where neither holds anything, a missing
	// slot is a first start.
	Memory Memory
	// Inspect checks that the database lets changes reach the stream: once before
	// each stream and every Watch during it. It may fix what is wrong, in the
	// session that it gets, and is bounded by Connect. A change of the Shape, and
	// a time in which there were Faults, is reported as a Gap. Nil: nothing is
	// inspected.
	Inspect func(ctx context.Context, conn *pgx.Conn) (Inspection, error)
	// Held returns a place from which on nothing may be confirmed yet, because it is not
	// kept elsewhere; nil: all may be that Retain lets. It ends, as Retain does, where it
	// would hold back too much. It must not wait, nor call the Source.
	Held func() uint64
	// OnStream is called, from the goroutine of Run, when a stream begins and before
	// anything of it is handled; its error ends the stream. OnStreamEnd is called when
	// nothing more of it is handled, and after attempts that led to none. OnStandby is called while
	// another reader has the slot, again and again: what was handled before is then
	// forgotten, because the next stream is to begin as a new process would. Nil for
	// none of them.
	OnStream    func(ctx context.Context, s Stream) error
	OnStreamEnd func()
	OnStandby   func(ctx context.Context) error
	// Resume returns where another Source of this slot was, up to where the handler has
	// everything although this process has not read it; confirmed is where the slot is. It
	// is asked before a stream begins, where this process has handled nothing since it or
	// another one had the slot. Nothing before that place is read again, and nothing more is
	// confirmed because of it. The server's history is compared with it, as with a place of
	// this process. ok is false, and Resume may be nil, where the stream is to begin at the
	// slot's place.
	Resume func(ctx context.Context, confirmed uint64) (at Handover, ok bool)
	// Delivered returns what the handler was given otherwise than by this process, by
	// another Source of this slot: it counts as one more Memory, which a restore of the
	// database does not put back. It is asked when the slot is free, where this process
	// has handled nothing since it or another one had the slot. An empty Database is the
	// slot's; Started is ignored. ok is false, and Delivered may be nil, for nothing.
	Delivered func(ctx context.Context) (last Handover, ok bool)
	// Logger takes one line per change of state. Default: none is logged.
	Logger *slog.Logger
	// ApplicationName is what the names in pg_stat_activity and pg_stat_replication
	// begin with. Default "chatbridge". No name in synchronous_standby_names may match it.
	ApplicationName string
	// Self is who this bridge is, for other bridges and for operators: it follows
	// ApplicationName. Default: this process, of no cluster.
	Self dial.Bridge
	// Exclusive makes it an error of Run that a bridge of another host which is not of
	// Self's cluster has the slot, and lives. Default: stand by.
	Exclusive bool

	// Ping is the time between two requests for a reply of the server; three
	// without one end the connection. Default 5 s.
	Ping time.Duration
	// ServerTimeout is the wal_sender_timeout of the session: the server ends a
	// connection on which it receives nothing for so long; a status update is
	// sent every second. While connections end without a reply and without a
	// transaction, it and our own time-out double, up to four times. Default 10 s.
	ServerTimeout time.Duration
	// Connect bounds one attempt to connect. Default 10 s.
	Connect time.Duration
	// MinRetry and MaxRetry bound the pause before a new attempt: it doubles
	// from the one to the other, with jitter. Defaults 200 ms and 30 s.
	MinRetry, MaxRetry time.Duration
	// SlowRetry is the pause where only a change on the server helps, such
	// as a wrong password. Default 30 s.
	SlowRetry time.Duration
	// StandbyPoll is how often a bridge that stands by checks whether the slot
	// is free. Default 1 s.
	StandbyPoll time.Duration
	// Freed has a token when it is to check at once. Nil: it only polls.
	Freed <-chan struct{}
	// HolderTimeout is how old the last status update of the bridge that reads
	// the slot may be before one that stands by ends its connection. A bridge
	// sends one every second. Default 5 s.
	HolderTimeout time.Duration
	// Watch is how often the slot is polled and the database inspected while the
	// stream runs; a slot with little room is polled more often. Default 10 s.
	Watch time.Duration
	// Stop bounds the orderly end of a stream. Default 2 s.
	Stop time.Duration
}

func (o *Options) setDefaults() {
	o.Publication = cmp.Or(o.Publication, "bridge")
	o.Slot = cmp.Or(o.Slot, DefaultSlot)
	o.MaxLag = cmp.Or(o.MaxLag, 1<<30)
	o.ApplicationName = cmp.Or(o.ApplicationName, "chatbridge")
	if o.Self.PID == 0 {
		o.Self.PID = os.Getpid()
	}
	if o.Self.Host == "" {
		o.Self.Host, _ = os.Hostname() // without one it is unknown
	}
	o.Ping = cmp.Or(o.Ping, 5*time.Second)
	o.ServerTimeout = cmp.Or(o.ServerTimeout, 10*time.Second)
	o.Connect = cmp.Or(o.Connect, 10*time.Second)
	o.MinRetry = cmp.Or(o.MinRetry, 200*time.Millisecond)
	o.MaxRetry = cmp.Or(o.MaxRetry, 30*time.Second)
	o.SlowRetry = cmp.Or(o.SlowRetry, 30*time.Second)
	o.StandbyPoll = cmp.Or(o.StandbyPoll, time.Second)
	o.HolderTimeout = cmp.Or(o.HolderTimeout, 5*time.Second)
	o.Watch = cmp.Or(o.Watch, 10*time.Second)
	o.Stop = cmp.Or(o.Stop, 2*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

var slotName = regexp.MustCompile(`^[a-z0-9_]{1,63}$`)

// maxName is the longest identifier that Postgres takes without cutting it.
const maxName = 63

// Validate reports the first option that cannot work. New calls it.
func (o Options) Validate() error {
	o.setDefaults()
	switch {
	case o.URL == "":
		return errors.New("the database's URL is empty")
	case !slotName.MatchString(o.Slot):
		return fmt.Errorf("slot %q: a slot's name is 1 to 63 of a-z, 0-9 and _", o.Slot)
	case len(o.Publication) > maxName || strings.ContainsRune(o.Publication, 0):
		return fmt.Errorf("publication %q: a name has at most %d bytes", o.Publication, maxName)
	case o.Retain < 0:
		return fmt.Errorf("retain %v is negative", o.Retain)
	case o.MaxRetry < o.MinRetry:
		return fmt.Errorf("the longest pause %v is shorter than the shortest %v", o.MaxRetry, o.MinRetry)
	case o.Create > CreateNothing:
		return fmt.Errorf("create policy %d is not known", o.Create)
	}
	if _, err := pgx.ParseConfig(o.URL); err != nil {
		return fmt.Errorf("read the database's URL: %w", err)
	}
	return nil
}
