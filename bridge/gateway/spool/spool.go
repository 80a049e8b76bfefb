package spool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"chatbridge/internal/durable"
	"chatbridge/internal/retry"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"
)

// Spool keeps webhooks and sends them. All methods are safe for concurrent use; Run
// is called once.
type Spool struct {
	opts  Options
	log   *slog.Logger
	count counters

	mu      sync.RWMutex // held for reading while store is used, for writing while it is replaced
	store   *store       // nil while there is none
	openErr error        // why there is none
	closed  time.Time    // since when there is none
	waited  int          // how many waited then

	opened chan struct{} // closed once the file was opened, or could not be, for the first time
	broken chan error    // has the reason when the file is to be opened again
	wake   chan struct{} // has a token when the replay is to look again

	memory   atomic.Int64 // bytes of bodies that are being read or passed on
	well     atomic.Bool  // ChatEngine is, as far as is known
	stopping atomic.Bool
	limiter  *rate.Limiter

	turn turn
}

// New returns a spool; nothing is opened until Run.
func New(o Options) (*Spool, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Spool{
		opts: o, log: o.Logger, openErr: errNotOpen,
		opened: make(chan struct{}), broken: make(chan error, 1), wake: make(chan struct{}, 1),
	}
	if s.limiter = rate.NewLimiter(rate.Inf, 1); o.Rate > 0 {
		s.limiter = rate.NewLimiter(rate.Limit(o.Rate)/60, 1)
	}
	s.turn.reset()
	return s, nil
}

var errNotOpen = errors.New("it is not open yet")

// ErrUnavailable: the file cannot be read or written now.
var ErrUnavailable = errors.New("the spool is not available")

// Run opens the file and sends what is in it by deliver, until ctx ends; it returns
// nil then. Webhooks can be kept until it returns.
func (s *Spool) Run(ctx context.Context, deliver Deliver) error {
	defer s.replaceStore(nil, errNotOpen) // when nobody records anything any more
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.stayOpen(ctx) })
	group.Go(func() error { return s.replay(ctx, deliver) })
	if err := group.Wait(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// Stop begins no further attempt; one that is under way goes on. Webhooks are still
// kept.
func (s *Spool) Stop() { s.stopping.Store(true) }

// SetWell tells whether ChatEngine is well: only then is anything sent.
func (s *Spool) SetWell(well bool) {
	if s.well.Swap(well) || !well {
		return
	}
	s.turn.clearPause()
	s.wakeReplay()
}

// wakeReplay wakes the replay, which then sends what is due.
func (s *Spool) wakeReplay() {
	select {
	case s.wake <- struct{}{}:
	default: // it will
	}
}

// The pauses between attempts to open the file.
const (
	firstOpenPause = time.Second
	maxOpenPause   = 30 * time.Second
)

// stayOpen opens the file, again where that fails or it turns out to be broken.
func (s *Spool) stayOpen(ctx context.Context) error {
	pause := retry.Backoff{Min: firstOpenPause, Max: maxOpenPause}
	told := ""
	for {
		st, err := s.open()
		s.replaceStore(st, err)
		if err == nil && told != "" {
			s.log.Info("the spool is available again", "dir", s.opts.Dir)
			told = ""
		}
		if err != nil && told != err.Error() {
			told = err.Error()
			remedy := "spool.dir must be a directory that the bridge may write to, on a disk with room, and of one bridge alone; it is tried again"
			if errors.Is(err, durable.ErrForeign) {
				remedy = "give spool.dir a path of its own, or take that file away; it is tried again"
			}
			s.log.Error("the spool cannot be opened, so no webhook is kept", "dir", s.opts.Dir, "error", err, "remedy", remedy)
		}
		s.wakeReplay()
		if err == nil {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case cause := <-s.broken:
				s.log.Warn("the spool's file failed and is opened again", "dir", s.opts.Dir, "error", cause)
				s.replaceStore(nil, cause)
			}
		}
		if err := retry.Sleep(ctx, pause.Next()); err != nil {
			return err
		}
		if err == nil {
			pause.Reset()
		}
	}
}

// open opens the file; one that is damaged it sets aside, and makes a new one.
func (s *Spool) open() (*store, error) {
	if info, err := os.Stat(filepath.Join(s.opts.Dir, FileName)); err == nil && info.Size() == 0 {
		s.log.Error("the spool's file is empty: what it had kept is gone; a new one is made", "dir", s.opts.Dir,
			"remedy", "look for a disk that was full or failed, and for who else writes to spool.dir")
	}
	st, err := openStore(s.opts.Dir, s.opts.MaxBytes, false)
	if errors.Is(err, errDamaged) {
		if err := s.setAside(err); err != nil {
			return nil, err
		}
		st, err = openStore(s.opts.Dir, s.opts.MaxBytes, false)
	}
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(s.opts.Dir); err == nil && info.Mode().Perm()&0o077 != 0 {
		s.log.Warn("others may look into the spool's directory", "dir", s.opts.Dir, "mode", octal(info.Mode()),
			"remedy", "the file is the bridge's alone; chmod 700 the directory as well")
	}
	if sum := *st.now.Load(); sum.waiting+sum.dead > 0 {
		s.log.Info("the spool has webhooks of an earlier time", "waiting", sum.waiting, "dead", sum.dead, "bytes", sum.bytes)
	}
	return st, nil
}

// octal writes a mode as chmod takes it.
func octal(mode fs.FileMode) string {
	bits := mode.Perm()
	for bit, of := range map[fs.FileMode]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if mode&of != 0 {
			bits |= bit
		}
	}
	return fmt.Sprintf("%04o", uint32(bits))
}

func (s *Spool) setAside(damage error) error {
	to, err := setAside(s.opts.Dir, time.Now())
	if err != nil {
		return fmt.Errorf("set the damaged file aside: %w", err)
	}
	s.count.setAside.Add(1)
	s.log.Error("the spool was damaged and is set aside; what it had kept is not sent", "file", to, "error", damage,
		"remedy", "keep the file if the webhooks in it matter; delete it otherwise")
	return nil
}

// replaceStore closes the store that there is, and puts another in its place.
func (s *Spool) replaceStore(st *store, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.store != nil {
		_ = s.store.close() // nothing waits to be written: each change was committed
		s.closed, s.waited = time.Now(), s.store.now.Load().waiting
		if s.store.damaged.Load() {
			s.waited = 0
			if failed := s.setAside(errDamaged); failed != nil {
				err = failed
			}
		}
	}
	s.store, s.openErr = st, err
	select {
	case <-s.opened:
	default:
		if st != nil || !errors.Is(err, errNotOpen) {
			close(s.opened)
		}
	}
}

// use calls f with the store. Where the file fails, it is opened again.
func (s *Spool) use(f func(*store) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.store == nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, s.openErr)
	}
	err := f(s.store)
	if err == nil || errors.Is(err, ErrUnknown) {
		return err
	}
	if noRoom(err) {
		// Nothing of it was written, and the file is sound. Closed each time, it would never
		// be open for long enough to be emptied.
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if errors.Is(err, errDamaged) {
		s.store.damaged.Store(true)
	}
	select {
	case s.broken <- err:
	default:
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// noRoom reports whether a write failed because the disk is full. A failed fsync is
// another matter: what the file has is not known then.
func noRoom(err error) bool {
	var path *fs.PathError
	return errors.As(err, &path) && path.Op == "write" && (errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT))
}

// awayOrder is how long what waits in a file that failed still comes before what is new.
const awayOrder = 30 * time.Second

// Empty reports whether nothing waits, so that a webhook can be passed on at once
// without coming before others. Until the file was opened for the first time that is
// not known. What waits in a file that cannot be opened for longer keeps nothing back.
func (s *Spool) Empty() bool {
	select {
	case <-s.opened:
	default:
		return false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.store == nil {
		return s.waited == 0 || time.Since(s.closed) > awayOrder
	}
	return s.store.now.Load().waiting == 0
}
