package ledgerfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	bolterrors "go.etcd.io/bbolt/errors"

	"chatbridge/internal/durable"
	"chatbridge/internal/retry"
)

// Loaded is what Load found.
type Loaded struct {
	// Header is what Rows.Header returned when the file was last written; nil where
	// nothing was loaded.
	Header []byte
	// Lost says why a file that an earlier process wrote was of no use, so that it
	// cannot be told what changed meanwhile; empty where it was, and where there was
	// none.
	Lost string
}

// lockWait is how long Load waits for an earlier process to end.
const lockWait = time.Second

// Load reads the file of an earlier process, if there is one, and calls fn with each
// row of it; what fn is given is valid until it returns. It is called once, before Run,
// and never fails: what is wrong is in Loaded.Lost or in Stats.Error, and in the log.
// Where Lost is set, rows that fn was given are to be forgotten.
func (f *File) Load(ctx context.Context, fn func(table, key string, row []byte)) Loaded {
	if err := Recognise(f.path); errors.Is(err, durable.ErrForeign) {
		// Before the lock, of which a file would be left beside it.
		why := f.isForeign(err)
		f.failed(why)
		if errors.Is(why, errNoFile) {
			return Loaded{}
		}
		return Loaded{Lost: f.lost(err)} // it may have been a ledger
	}
	err := f.takeLock(ctx)
	if errors.Is(err, errLocked) {
		f.failed(fmt.Errorf("lock: %w", err))
		return Loaded{} // its rows are another bridge's
	}
	if err != nil {
		// The disk may be read-only: then what is there may be read all the same.
		f.failed(fmt.Errorf("lock: %w", err))
	}
	switch info, err := os.Stat(f.path); {
	case errors.Is(err, fs.ErrNotExist):
		return Loaded{}
	case err != nil:
		f.failed(err)
		return Loaded{Lost: f.lost(err)} // it may be there
	case !info.Mode().IsRegular():
		f.failed(errNoFile)
		return Loaded{}
	case info.Size() == 0:
		// A file that was made and not written, as by a full disk.
		return Loaded{}
	}
	l, err := f.read(fn)
	if err == nil {
		return l
	}
	if errors.Is(err, bolterrors.ErrTimeout) {
		// The lock's file was removed, or the file has another name too.
		f.failed(fmt.Errorf("lock: %w", errLocked))
		f.unlock()
		return Loaded{}
	}
	if errors.Is(err, durable.ErrForeign) { // another program's database
		f.failed(f.isForeign(err))
		return Loaded{Lost: f.lost(err)}
	}
	damaged := !errors.Is(err, errIdentity) && !errors.Is(err, errFormat) && !errors.Is(err, fs.ErrPermission)
	if damaged && f.lock != nil {
		aside := f.path + ".damaged"
		if rerr := os.Rename(f.path, aside); rerr != nil {
			f.log.Warn("the ledger file cannot be used, and not be set aside", "file", f.path, "error", errors.Join(err, rerr))
		} else {
			f.log.Warn("the ledger file cannot be used; it was set aside, and a new one begins", "file", f.path, "aside", aside, "error", err)
		}
	} else {
		f.log.Warn("the ledger file cannot be used; a new one begins", "file", f.path, "error", err)
	}
	return Loaded{Lost: f.lost(err)}
}

// isForeign notes that the file is not the bridge's, and is not to be touched.
func (f *File) isForeign(err error) error {
	if info, serr := os.Stat(f.path); serr == nil && !info.Mode().IsRegular() {
		return errNoFile
	}
	return fmt.Errorf("%w; ledger.file: a path of its own", err)
}

// unlock lets go of the lock.
func (f *File) unlock() {
	if f.lock != nil {
		_ = f.lock.Close()
		f.lock = nil
	}
}

func (f *File) lost(err error) string {
	return "the ledger file " + f.opts.Path + " cannot be used: " + err.Error()
}

// takeLock takes the lock, and waits a moment for a process that is ending.
func (f *File) takeLock(ctx context.Context) error {
	if f.lock != nil {
		return nil
	}
	for begin := time.Now(); ; {
		l, err := lockFile(f.path + ".lock")
		if err == nil {
			f.lock = l
			return nil
		}
		if !errors.Is(err, errLocked) || time.Since(begin) >= lockWait {
			return err
		}
		if retry.Sleep(ctx, 20*time.Millisecond) != nil {
			return err
		}
	}
}

func (f *File) read(fn func(table, key string, row []byte)) (Loaded, error) {
	s, err := openStore(f.path, true, f.opts.MaxBytes)
	if err != nil {
		return Loaded{}, err
	}
	header, err := s.read(f.opts.Identity, f.opts.Tables, fn)
	cerr := s.close(errors.Is(err, errDamaged))
	if err = errors.Join(err, cerr); err != nil {
		return Loaded{}, err
	}
	return Loaded{Header: header}, nil
}
