//go:build !unix

package ledgerfile

import (
	"errors"
	"os"
)

// errLocked is another process that has the file.
var errLocked = errors.New("another process uses it")

// inUse reports whether a process has a database open for writing, as far as is known: where
// it has, it cannot be replaced here.
func inUse(string) bool { return false }

// lockFile opens the lock's file; what keeps two processes apart is the database's
// own lock alone.
func lockFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
}

// fileID is nothing that such a system tells.
func fileID(string) (string, bool) { return "", false }
