package spool

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"chatbridge/internal/durable"
)

// FileName is the spool's file in Options.Dir.
const FileName = "webhooks.db"

// The buckets: records of what waits and of dead letters, and the bodies of both,
// each by the webhook's number.
var (
	bucketQueue = []byte("queue")
	bucketDead  = []byte("dead")
	bucketBody  = []byte("body")
)

// fileKind marks the spool's file.
var fileKind = durable.Kind{Name: "webhooks", Buckets: func(names []string) bool {
	return slices.Equal(names, []string{string(bucketBody), string(bucketDead), string(bucketQueue)})
}}

// Recognise returns an error that is durable.ErrForeign where the file of that name in a
// directory is not the bridge's.
func Recognise(dir string) error { return fileKind.Recognise(filepath.Join(dir, FileName)) }

// errDamaged: the file does not hold what it should.
var errDamaged = errors.New("the spool's file is damaged")

// ErrLocked: another process has the file.
var ErrLocked = errors.New("another process has the spool's file")

// lockTimeout is how long to wait for another process to let go of the file.
const lockTimeout = 500 * time.Millisecond

// totals are what is kept.
type totals struct {
	waiting, dead    int
	bytes, deadBytes int64 // the second is part of the first
}

// store is the open file.
type store struct {
	db       *bbolt.DB
	opener   durable.Opener
	maxBytes int64
	now      atomic.Pointer[totals] // as committed
	damaged  atomic.Bool            // it was found so while it was used

	mu      sync.Mutex
	jobs    []*job // that wait for a commit
	leading bool   // somebody commits
}

// openStore opens the file, or makes it, and looks through it. readOnly needs a
// file, and shares it with others that only read.
func openStore(dir string, maxBytes int64, readOnly bool) (*store, error) {
	path := filepath.Join(dir, FileName)
	if !readOnly {
		if err := makeDir(dir); err != nil {
			return nil, err
		}
	}
	if err := fileKind.Recognise(path); errors.Is(err, durable.ErrForeign) {
		return nil, foreign(path, err)
	}
	s := &store{maxBytes: maxBytes}
	var err error
	// bbolt panics where pages are not what they should be, and a file that was cut
	// short is a fault of memory.
	if damage := guard(func() error {
		// The list of free pages is stored: bbolt would otherwise look for them at the
		// next start, and crash the process where it finds damage.
		s.db, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockTimeout, FreelistType: bbolt.FreelistMapType, ReadOnly: readOnly, PreLoadFreelist: true, OpenFile: s.opener.Open})
		return nil
	}); damage != nil {
		s.opener.LetGo()
		return nil, damage
	}
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("%w: %s", ErrLocked, path)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrVersionMismatch), errors.Is(err, bolterrors.ErrChecksum),
		err != nil && strings.Contains(err.Error(), "file size too small"):
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	case err != nil:
		return nil, fmt.Errorf("open the spool: %w", err)
	}
	if err := s.prepare(path, readOnly); err != nil {
		_ = guard(s.db.Close)
		s.opener.LetGo()
		return nil, err
	}
	return s, nil
}

func foreign(path string, err error) error {
	return fmt.Errorf("%s: %w; give spool.dir a path of its own", path, err)
}

// prepare makes the buckets of a new file, and looks through one that is not. A
// damaged file is not written to.
func (s *store) prepare(path string, readOnly bool) error {
	fresh := false
	err := s.view(func(t txn) error {
		var sum totals
		s.now.Store(&sum)
		k, _ := t.tx.Cursor().First()
		if fresh = k == nil; fresh {
			return nil
		}
		// Another process may have had it when it was looked at.
		if err := fileKind.Check(t.tx); err != nil {
			return foreign(path, err)
		}
		return t.verify(&sum)
	})
	if err != nil || readOnly {
		return err
	}
	err = guard(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error {
			if fresh {
				if err := makeBuckets(tx); err != nil {
					return err
				}
			}
			return fileKind.Mark(tx)
		})
	})
	if err != nil {
		return fmt.Errorf("prepare the spool: %w", err)
	}
	return errors.Join(os.Chmod(path, 0o600), durable.SyncDirectory(filepath.Dir(path)))
}

func makeBuckets(tx *bbolt.Tx) error {
	for _, name := range [][]byte{bucketQueue, bucketDead, bucketBody} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	return nil
}

// makeDir makes the directory for the process's user alone. One that is there is
// left as it is: it may be others' too.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the spool's directory: %w", err)
	}
	return nil
}

// setAside gives a damaged file another name, so that a new one can be made.
func setAside(dir string, now time.Time) (to string, err error) {
	from := filepath.Join(dir, FileName)
	to = from + ".damaged-" + now.UTC().Format("20060102T150405")
	for n := 1; ; n++ {
		if _, err := os.Lstat(to); errors.Is(err, fs.ErrNotExist) {
			break
		}
		to = fmt.Sprintf("%s.damaged-%s-%d", from, now.UTC().Format("20060102T150405"), n)
	}
	return to, os.Rename(from, to)
}

// close closes the file. One that is damaged is let go: bbolt may have panicked with
// its lock held, and would wait for it for ever.
func (s *store) close() error {
	if s.damaged.Load() {
		s.opener.LetGo()
		return nil
	}
	return guard(s.db.Close)
}

// view reads; what it reads is valid until it returns.
func (s *store) view(f func(txn) error) error {
	return guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error { return f(txn{tx: tx}) })
	})
}

// guard turns a panic, and a fault of mapped memory, into errDamaged.
func guard(f func() error) error { return durable.Guard(errDamaged, f) }

// txn is a transaction; sum is what will be kept when it is committed.
type txn struct {
	tx  *bbolt.Tx
	sum *totals
}

func (t txn) queue() *bbolt.Bucket { return t.tx.Bucket(bucketQueue) }
func (t txn) dead() *bbolt.Bucket  { return t.tx.Bucket(bucketDead) }
func (t txn) body() *bbolt.Bucket  { return t.tx.Bucket(bucketBody) }

// verify reads every record, and finds its body, and adds up what there is.
func (t txn) verify(sum *totals) error {
	if t.queue() == nil || t.dead() == nil || t.body() == nil {
		return fmt.Errorf("%w: a bucket is missing", errDamaged)
	}
	for _, part := range []struct {
		bucket *bbolt.Bucket
		n      *int
		bytes  *int64
	}{{t.queue(), &sum.waiting, new(int64)}, {t.dead(), &sum.dead, &sum.deadBytes}} {
		err := part.bucket.ForEach(func(k, v []byte) error {
			r, err := decode(k, v)
			if err != nil {
				return err
			}
			if body := t.body().Get(k); len(body) != r.Size || body == nil {
				return fmt.Errorf("%w: webhook %d has no body", errDamaged, r.id)
			}
			*part.n++
			*part.bytes += r.Cost
			sum.bytes += r.Cost
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func key(id uint64) []byte { return binary.BigEndian.AppendUint64(nil, id) }

func decode(k, v []byte) (*record, error) {
	r := new(record)
	if len(k) != 8 {
		return nil, fmt.Errorf("%w: a key has %d bytes", errDamaged, len(k))
	}
	r.id = binary.BigEndian.Uint64(k)
	if err := json.Unmarshal(v, r); err != nil {
		return nil, fmt.Errorf("%w: webhook %d: %w", errDamaged, r.id, err)
	}
	return r, nil
}

// put writes a record.
func put(b *bbolt.Bucket, r *record) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return b.Put(key(r.id), text)
}

// add writes a new webhook behind all others.
func (t txn) add(r *record, body []byte) error {
	id, err := t.queue().NextSequence()
	if err != nil {
		return err
	}
	r.id = id
	t.sum.waiting++
	t.sum.bytes += r.Cost
	return errors.Join(put(t.queue(), r), t.body().Put(key(id), body))
}

// find returns the record of a number, where it is, and whether it is dead; nil for
// none.
func (t txn) find(id uint64) (r *record, dead bool, err error) {
	if v := t.queue().Get(key(id)); v != nil {
		r, err = decode(key(id), v)
		return r, false, err
	}
	if v := t.dead().Get(key(id)); v != nil {
		r, err = decode(key(id), v)
		return r, true, err
	}
	return nil, false, nil
}

// remove removes a webhook, wherever it is, and reports whether it was there.
func (t txn) remove(id uint64) (was bool, err error) {
	r, dead, err := t.find(id)
	if r == nil || err != nil {
		return false, err
	}
	t.sum.bytes -= r.Cost
	from := t.queue()
	if dead {
		t.sum.dead--
		t.sum.deadBytes -= r.Cost
		from = t.dead()
	} else {
		t.sum.waiting--
	}
	return true, errors.Join(from.Delete(key(id)), t.body().Delete(key(id)))
}

// bury makes what waits a dead letter.
func (t txn) bury(r *record) error {
	t.sum.waiting--
	t.sum.dead++
	t.sum.deadBytes += r.Cost
	return errors.Join(t.queue().Delete(key(r.id)), put(t.dead(), r))
}

// revive puts a dead letter behind all that waits.
func (t txn) revive(r *record, now time.Time) error {
	body := append([]byte(nil), t.body().Get(key(r.id))...)
	if _, err := t.remove(r.id); err != nil {
		return err
	}
	again := *r
	again.Queued, again.Died, again.Next, again.Failures = now.UTC(), time.Time{}, time.Time{}, 0
	return t.add(&again, body)
}
