// Package durable has what the bridge's files on disk have in common: the ledger, the
// spool, what was sent, and the place.
package durable

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
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

// SyncDirectory makes a new name, or a rename, in a directory last.
func SyncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
