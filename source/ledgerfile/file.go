package ledgerfile

import (
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Rows is what is kept: rows by table and key, with what holds for all of them. Its
// methods are called from the goroutine that runs the File, none of whose locks is held.
type Rows interface {
	// Keys calls fn with all rows of a table, and their times: where not all fit into
	// the file, the oldest are left out.
	Keys(table string, fn func(key string, at int64))
	// Row appends the row to dst; false where it is not to be kept any more.
	Row(dst []byte, table, key string) (row []byte, at int64, ok bool)
	// Header returns what holds for all rows as they are now. leftOut is the time
	// before which rows were left out of the file.
	Header(leftOut int64) []byte
}

// Options configures a File.
type Options struct {
	// Path is the file's. Beside it there is one for the lock (.lock), while it is
	// replaced a new one (.new), and a damaged one that was set aside (.damaged).
	Path string
	// Identity says whose rows these are. A file of another one is not used.
	Identity string
	// Tables are the names of the tables; no two are the same.
	Tables []string
	// MaxBytes bounds the file, not counting one that replaces it. Default 128 MiB,
	// at least 1 MiB. Three eighths of it may be keys and rows.
	MaxBytes int64
	// Interval is how long changes are gathered before they are written. Default 1 s.
	Interval time.Duration
	// HeaderInterval is how often the header is written where no row has changed.
	// Default 30 s.
	HeaderInterval time.Duration
	// Logger gets a line per change of state. Default: none.
	Logger *slog.Logger
}

// minBytes is the smallest bound of a file.
const minBytes = 1 << 20

func (o *Options) setDefaults() {
	if o.MaxBytes <= 0 {
		o.MaxBytes = 128 << 20
	}
	o.MaxBytes = max(o.MaxBytes, minBytes)
	if o.Interval <= 0 {
		o.Interval = time.Second
	}
	if o.HeaderInterval <= 0 {
		o.HeaderInterval = 30 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// File keeps rows in a file.
type File struct {
	opts Options
	path string
	log  *slog.Logger

	// What follows belongs to the goroutine that calls Load and then Run.
	rows    Rows
	lock    *os.File // nil while another process has it, or it cannot be had
	store   *store   // nil while there is none to be written
	leftOut int64    // rows from before this time are left out
	header  []byte   // as it was last written
	known   int      // rows in the store

	// wake has a token once something is to be written.
	wake chan struct{}

	// mu guards what follows.
	mu      sync.Mutex
	pending []map[string]struct{} // by table
	waiting int                   // their number
	// everything is to be written anew.
	everything bool
	stats      Stats
}

// maxPending bounds the rows that wait to be written; past it all are written anew.
const maxPending = 100_000

// New returns a File. It touches no disk.
func New(o Options) *File {
	o.setDefaults()
	f := &File{opts: o, path: o.Path, log: o.Logger, wake: make(chan struct{}, 1), everything: true}
	if resolved, err := filepath.EvalSymlinks(o.Path); err == nil {
		f.path = resolved // a rename would replace the link
	}
	f.pending = f.noKeys()
	f.stats.Path = o.Path
	return f
}

// Mark notes that a row of the table with this index in Options.Tables has changed or
// is gone. It does not block.
func (f *File) Mark(table int, key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.everything {
		return
	}
	p := f.pending[table]
	before := len(p)
	p[key] = struct{}{}
	f.waiting += len(p) - before
	if f.waiting > maxPending {
		f.dropPending()
	}
	f.poke()
}

// MarkAll notes that everything has to be written anew.
func (f *File) MarkAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dropPending()
	f.poke()
}

// dropPending has everything written anew instead of what waits. mu is held.
func (f *File) dropPending() {
	f.pending, f.waiting, f.everything = f.noKeys(), 0, true
}

// noKeys returns a set of no keys for each table.
func (f *File) noKeys() []map[string]struct{} {
	sets := make([]map[string]struct{}, len(f.opts.Tables))
	for i := range sets {
		sets[i] = map[string]struct{}{}
	}
	return sets
}

func (f *File) poke() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}
