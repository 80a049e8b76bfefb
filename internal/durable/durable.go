// Package durable has what the bridge's files on disk have in common: the ledger, the
// spool, what was sent, and the place.
package durable

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"syscall"
)

// Guard calls f, and turns a fault of a damaged bbolt file into an error that wraps
// damaged: pages are read where they are mapped, so that what is wrong with them is a
// panic, or memory that is not there, as of a file that was cut short. After such an error
// the database may hold its lock. f calls nothing but bbolt and what reads from it.
func Guard(damaged error, f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", damaged, r)
		}
	}()
	return f()
}

// Opener opens a file for bbolt (Options.OpenFile) and keeps it: after a panic bbolt cannot be
// closed, and the file would stay locked. It is for one goroutine at a time.
type Opener struct {
	// File is the newest that was opened; nil before.
	File *os.File
}

// Open opens a file as os.OpenFile does.
func (o *Opener) Open(name string, flag int, mode os.FileMode) (f *os.File, err error) {
	o.File, err = os.OpenFile(name, flag, mode)
	return o.File, err
}

// LetGo closes the file of a database that bbolt has not closed, and releases its lock, which
// the memory that bbolt has mapped would keep. It may be repeated; of a file that is closed
// already it does nothing.
func (o *Opener) LetGo() {
	if o.File != nil {
		_ = syscall.Flock(int(o.File.Fd()), syscall.LOCK_UN)
		_ = o.File.Close()
	}
}

// SyncDirectory makes a new name, or a rename, in a directory last.
func SyncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
