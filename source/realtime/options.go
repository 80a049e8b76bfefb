package realtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"chatbridge/source/ledgerfile"
	"chatbridge/source/readback"
)

// Table names a table to follow and the columns by which its changes are
// found; see readback.Table for each. Key, Created, Updated and Watch may be
// left empty: the key is then the primary key, the times are created_at and
// updated_at, and watched is what is customary for messages (status, the ids
// and addresses that arrive later), where the table has them.
type Table = readback.Table

// Options configures a Source.
type Options struct {
	// URL is the project's address, such as https://ref.supabase.co. For a
	// server without the usual gateway, give Realtime's own address (ending in
	// /realtime/v1 or /socket) and RestURL.
	URL string
	// Key is the project's service key: the service_role JWT or a secret key
	// (sb_secret_…). An anon or publishable key would see no rows of tables with
	// row level security, without an error: the caller refuses it.
	Key string
	// KeyFunc, if set, is asked for the key instead: at each dial, each read,
	// and every Timing.KeyCheck, so that a key that was replaced is used from
	// then on without a gap. It must not block for long and is called from
	// two goroutines.
	KeyFunc func(context.Context) (string, error)
	// RestURL is PostgREST's address. Default: URL with /rest/v1.
	RestURL string
	// DatabaseURL, if set, makes the reconciler read with SQL instead of
	// PostgREST. Any role that may select from the tables will do, through any
	// pooler.
	DatabaseURL string
	// DatabasePassword returns the password of DatabaseURL's role as it is when a
	// connection is made. Nil, or "" from it, for that of DatabaseURL.
	DatabasePassword func() string
	// Reader, if set, is used instead of either. The caller closes it.
	Reader Reader
	// Tables is what to follow, one channel each. At least one.
	Tables []Table

	// ReconcileInterval is how often rows of the last RecentWindow are
	// compared. Default 30 s.
	ReconcileInterval time.Duration
	// DegradedInterval takes its place while a channel does not deliver.
	// Default 5 s, at most ReconcileInterval.
	DegradedInterval time.Duration
	// RecentWindow is the age, by time of insert or update, up to which rows
	// are compared each ReconcileInterval. Default 1 h, at most Window.
	RecentWindow time.Duration
	// Window is the age up to which rows are compared each WindowInterval and
	// after each gap. A change to an older row that sets no time of update and
	// that Realtime loses stays lost. Default 24 h.
	Window time.Duration
	// WindowInterval is how often the whole Window is compared, besides after
	// each gap. Default 15 min, at least ReconcileInterval. Measured: 20,000
	// messages in the window are 3.2 MB before compression.
	WindowInterval time.Duration
	// Backfill is how far back the first comparison publishes: what a client
	// that connects right after the start is to be caught up on. Older rows
	// are taken for known. Default 2 min.
	Backfill time.Duration
	// Ledger, if set, is the file in which what was published of each row is kept over
	// a restart, with the names of Tables as its tables. What was committed while no
	// process ran is then published by the first comparison, statuses of remembered
	// rows included; and what was published for the last time within Backfill before
	// the end is published again. The Source loads and runs it.
	Ledger *ledgerfile.File
	// MaxRows bounds the rows remembered per table; the oldest go first, and
	// the window shrinks accordingly. Default 100,000 (some 30 MB).
	MaxRows int
	// PageSize is the number of rows asked for at once. Default 1000, which is
	// Supabase's own limit.
	PageSize int
	// RequestRate bounds the requests to PostgREST, per second. Default 10.
	RequestRate float64

	// QueueChanges and QueueBytes bound what may wait between the socket and
	// the handler. What does not fit is dropped, counted, and read back later.
	// Defaults 10,000 and 64 MiB.
	QueueChanges int
	QueueBytes   int64

	// Timing is the protocol's times. Leave it zero outside tests.
	Timing Timing
	// Logger gets one line per change of state. Default: none.
	Logger *slog.Logger
}

// setDefaults fills in what is zero.
func (o *Options) setDefaults() {
	orDefault(&o.ReconcileInterval, 30*time.Second)
	orDefault(&o.DegradedInterval, 5*time.Second)
	orDefault(&o.RecentWindow, time.Hour)
	orDefault(&o.Window, 24*time.Hour)
	orDefault(&o.WindowInterval, 15*time.Minute)
	orDefault(&o.Backfill, 2*time.Minute)
	o.DegradedInterval = min(o.DegradedInterval, o.ReconcileInterval)
	o.WindowInterval = max(o.WindowInterval, o.ReconcileInterval)
	o.RecentWindow = min(o.RecentWindow, o.Window)
	orDefault(&o.MaxRows, 100_000)
	orDefault(&o.PageSize, 1000)
	orDefault(&o.QueueChanges, 10_000)
	orDefault(&o.QueueBytes, 64<<20)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.KeyFunc == nil {
		key := o.Key
		o.KeyFunc = func(context.Context) (string, error) { return key, nil }
	}
	o.Timing.setDefaults()
}

// Validate reports what New would refuse. The messages name the configuration
// keys under source.realtime and never show the key's value.
func (o *Options) Validate() error {
	var errs []error
	if o.URL == "" {
		errs = append(errs, errors.New("source.realtime.url is missing: set it to the project's address, such as https://ref.supabase.co"))
	} else if _, err := socketURL(o.URL); err != nil {
		errs = append(errs, err)
	}
	if o.Key == "" && o.KeyFunc == nil {
		errs = append(errs, errors.New("source.realtime.key is missing: set it to the project's service_role or secret key"))
	}
	if len(o.Tables) == 0 {
		errs = append(errs, errors.New("no table to follow"))
	}
	seen := map[string]bool{}
	for _, t := range o.Tables {
		if t.Schema == "" || t.Name == "" {
			errs = append(errs, fmt.Errorf("table %q: schema and name are needed", t.String()))
		}
		if seen[t.String()] {
			errs = append(errs, fmt.Errorf("table %s is named twice", t))
		}
		seen[t.String()] = true
	}
	return errors.Join(errs...)
}
