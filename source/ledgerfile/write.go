package ledgerfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"chatbridge/internal/durable"
	"chatbridge/internal/retry"
)

const (
	// batchRows is how many rows are written in one transaction: each may copy a page.
	batchRows = 1000
	// share is by how much a pause is longer, at least, than the writing before it.
	share = 9
	// minRetry and maxRetry bound the pause after a failure.
	minRetry = time.Second
	maxRetry = time.Minute
	// maxKey is the longest key that the database takes.
	maxKey = 32768
)

// Run writes what is marked until ctx ends, then what is left of it, and returns. Rows
// must be complete: what was loaded is in it. It may be called once.
func (f *File) Run(ctx context.Context, rows Rows) {
	f.rows = rows
	backoff := retry.Backoff{Min: minRetry, Max: maxRetry}
	pause := f.opts.Interval
	f.poke() // the file of before is replaced
	for f.due(ctx) && retry.Sleep(ctx, pause) == nil {
		begin := time.Now()
		if err := f.flush(); err != nil {
			pause = backoff.Next()
			f.poke()
			continue
		}
		backoff.Reset()
		pause = max(f.opts.Interval, share*time.Since(begin))
	}
	_ = f.flush()
	f.end()
}

// endTimeout is how long the end may take to write what is left: a disk that hangs must
// not keep clients from being let go.
const endTimeout = 2 * time.Second

// Start runs the File in a goroutine of its own, until what it returns is called, which
// waits for what is left to be written; for 2 s at most.
func (f *File) Start(ctx context.Context, rows Rows) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.Run(ctx, rows)
	}()
	return func() {
		cancel()
		timer := time.NewTimer(endTimeout)
		defer timer.Stop()
		select {
		case <-done:
		case <-timer.C:
			f.log.Warn("the ledger file could not be written in time: changes of the last seconds may be published again after the start", "file", f.opts.Path)
		}
	}
}

// due waits until there is something to be written; false once ctx has ended.
func (f *File) due(ctx context.Context) bool {
	timer := time.NewTimer(f.opts.HeaderInterval)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-f.wake:
	case <-timer.C:
	}
	return true
}

// end closes the file and gives the lock up.
func (f *File) end() {
	if f.store != nil {
		_ = f.store.close(false)
		f.store = nil
	}
	f.unlock()
}

// flush writes what is marked, and reports what came of it.
func (f *File) flush() error {
	wrote, err := f.write()
	if err != nil {
		f.failed(err)
		return err
	}
	f.mu.Lock()
	was := f.stats.Error
	f.stats.Error, f.stats.Rows, f.stats.Bytes = "", f.known, f.store.size()
	if wrote {
		f.stats.Writes++
		f.stats.Written = time.Now()
	}
	f.mu.Unlock()
	if was != "" {
		f.log.Info("the ledger file is written again", "file", f.opts.Path)
	}
	return nil
}

// failed notes that the file cannot be used or written.
func (f *File) failed(err error) {
	text := f.opts.Path + ": " + err.Error() + "; set ledger.file to a path in a directory that the bridge may write to, with room for it, and that no other process uses"
	f.mu.Lock()
	again := f.stats.Error == text
	f.stats.Error = text
	f.stats.Failures++
	f.mu.Unlock()
	if !again {
		f.log.Warn("the ledger file cannot be written: what changes during a restart may not be told; tried again", "file", f.opts.Path, "error", err)
	}
}

// write writes what is marked; false where that is nothing.
func (f *File) write() (wrote bool, err error) {
	if f.lock == nil {
		if err := Recognise(f.path); errors.Is(err, durable.ErrForeign) {
			return false, f.isForeign(err)
		}
		if f.lock, err = lockFile(f.path + ".lock"); err != nil {
			return false, fmt.Errorf("lock: %w", err)
		}
	}
	pending, everything := f.take()
	if everything || f.store == nil || f.replaced() {
		if err := f.rewrite(); err != nil {
			f.MarkAll()
			return false, err
		}
		return true, nil
	}
	if len(pending) == 0 {
		header := f.rows.Header(f.leftOut)
		if bytes.Equal(header, f.header) {
			return false, nil
		}
		return true, f.apply(nil)
	}
	for chunk := range slices.Chunk(pending, batchRows) {
		err := f.apply(f.records(chunk))
		if errors.Is(err, errFull) {
			if err = f.rewrite(); err == nil {
				return true, nil
			}
		}
		if err != nil {
			f.MarkAll() // what the file has is not known for sure
			return false, err
		}
	}
	if f.store.size() > f.opts.MaxBytes/8*7 {
		if err := f.rewrite(); err != nil {
			f.MarkAll()
			return false, err
		}
	}
	return true, nil
}

// replaced reports whether the path leads to another file now, or to none.
func (f *File) replaced() bool {
	at, err := os.Stat(f.path)
	if err != nil {
		return true
	}
	mine, err := f.store.opener.File.Stat()
	return err != nil || !os.SameFile(at, mine)
}

// ref names a row.
type ref struct{ table, key string }

// take returns the rows that are marked, in the file's order, and whether everything
// is; they are not any more.
func (f *File) take() (pending []ref, everything bool) {
	none := f.noKeys()
	f.mu.Lock()
	marked := f.pending
	everything, f.everything, f.waiting, f.pending = f.everything, false, 0, none
	f.mu.Unlock()
	for i, p := range marked {
		for _, key := range slices.Sorted(maps.Keys(p)) {
			pending = append(pending, ref{f.opts.Tables[i], key})
		}
	}
	return pending, everything
}

// records makes records of rows as they are now.
func (f *File) records(refs []ref) []record {
	out := make([]record, 0, len(refs))
	var buf []byte
	for _, r := range refs {
		if r.key == "" || len(r.key) > maxKey {
			continue
		}
		row, at, ok := f.rows.Row(buf[:0], r.table, r.key)
		buf = row
		rec := record{table: r.table, key: r.key}
		if ok && at >= f.leftOut {
			rec.value = seal([]byte(r.key), row)
		}
		out = append(out, rec)
	}
	return out
}

// apply writes records with the header, which is asked for after them: so it is never
// older than they are.
func (f *File) apply(records []record) error {
	header := f.rows.Header(f.leftOut)
	more, err := f.store.write(records, header, 0)
	if errors.Is(err, errDamaged) {
		_ = f.store.close(true)
		f.store = nil
	}
	if err != nil {
		return err
	}
	f.known += more
	f.header = bytes.Clone(header)
	return nil
}
