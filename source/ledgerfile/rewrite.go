package ledgerfile

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"chatbridge/internal/durable"
)

const (
	// rowOverhead is what a row takes beside its key and itself.
	rowOverhead = 16 + sumLen
	// fillFull is how full the pages of a new file are; later ones are about two
	// thirds full, so that it grows.
	fillFull = 0.8
)

// rewrite writes all rows into a new file, which takes the old one's place.
func (f *File) rewrite() error {
	if info, err := os.Lstat(f.path); err == nil && !info.Mode().IsRegular() {
		return errNoFile // a device, or a directory, is not to be replaced
	}
	if f.store == nil || f.replaced() { // else the file is the one that was written
		if err := f.replaceable(); err != nil {
			return err
		}
	}
	for budget := f.opts.MaxBytes / 8 * 3; ; budget /= 2 {
		refs, leftOut := f.choose(budget)
		err := f.replaceBy(refs)
		if errors.Is(err, errFull) && len(refs) > 0 {
			continue // rows of a size that leaves much of each page unused
		}
		if err == nil {
			f.mu.Lock()
			f.stats.Rewrites++
			f.stats.LeftOut = leftOut
			f.mu.Unlock()
		}
		return err
	}
}

// replaceable returns why the file that is there is not to be replaced.
func (f *File) replaceable() error {
	// What another process has open cannot be looked into.
	if inUse(f.path) {
		return fmt.Errorf("lock: %w", errLocked)
	}
	if err := Recognise(f.path); err != nil {
		return f.isForeign(err)
	}
	return nil
}

// replaceBy makes a file of these rows and puts it in the old one's place.
func (f *File) replaceBy(refs []ref) error {
	path := f.path + ".new"
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	s, err := openStore(path, false, f.opts.MaxBytes)
	if err != nil {
		return err
	}
	header, known, err := f.fill(s, refs)
	if err == nil {
		err = os.Rename(path, f.path)
	}
	if err == nil {
		err = durable.SyncDirectory(filepath.Dir(f.path))
	}
	if err != nil {
		_ = s.close(errors.Is(err, errDamaged))
		_ = os.Remove(path)
		return err
	}
	if f.store != nil {
		_ = f.store.close(false)
	}
	f.store, f.header, f.known = s, header, known
	return nil
}

// choose returns the rows that fit into a number of bytes, in the file's order, and how
// many do not; those are the oldest.
func (f *File) choose(budget int64) (refs []ref, leftOut int) {
	type sized struct {
		ref
		at, size int64
	}
	var all []sized
	total := int64(0)
	for _, t := range f.opts.Tables {
		f.rows.Keys(t, func(key string, at int64) { all = append(all, sized{ref: ref{t, key}, at: at}) })
	}
	var buf []byte
	for i := range all {
		row, _, ok := f.rows.Row(buf[:0], all[i].table, all[i].key)
		buf = row
		if ok {
			all[i].size = int64(len(all[i].key) + len(row) + rowOverhead)
			total += all[i].size
		}
	}
	slices.SortFunc(all, func(a, b sized) int { return cmp.Compare(a.at, b.at) })
	for ; total > budget; leftOut++ {
		total -= all[leftOut].size
		f.leftOut = max(f.leftOut, all[leftOut].at+1)
	}
	for _, r := range all[leftOut:] {
		if r.at >= f.leftOut && r.size > 0 {
			refs = append(refs, r.ref)
		}
	}
	slices.SortFunc(refs, func(a, b ref) int { return cmp.Or(cmp.Compare(a.table, b.table), cmp.Compare(a.key, b.key)) })
	return refs, leftOut
}

// fill writes rows into a new database and returns when they are on the disk.
func (f *File) fill(s *store, refs []ref) (header []byte, known int, err error) {
	s.db.NoSync = true // it counts once it is renamed
	if err := s.begin(f.opts.Identity, f.opts.Tables); err != nil {
		return nil, 0, err
	}
	for len(refs) > 0 || header == nil {
		n := min(batchRows, len(refs))
		records := f.records(refs[:n])
		header = append([]byte{}, f.rows.Header(f.leftOut)...) // never nil
		more, err := s.write(records, header, fillFull)
		if err != nil {
			return nil, 0, err
		}
		known += more
		refs = refs[n:]
	}
	s.db.NoSync = false
	if err := guard(s.db.Sync); err != nil {
		return nil, 0, fmt.Errorf("sync: %w", err)
	}
	return header, known, nil
}
