//go:build unix

package ledgerfile

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// errLocked is another process that has the file.
var errLocked = errors.New("another process uses it")

// inUse reports whether a process has a database open for writing.
func inUse(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}

// lockFile takes the lock of a path, which is a file of its own because the path's
// own is replaced. It does not wait.
func lockFile(path string) (*os.File, error) {
	l, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(l.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = l.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errLocked
		}
		return nil, err
	}
	return l, nil
}

// fileID is how /proc/locks names a file, by its device and its number.
func fileID(path string) (id string, ok bool) {
	info, err := os.Stat(path)
	if err != nil {
		return "", false
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", false
	}
	device := uint64(s.Dev)
	return fmt.Sprintf("%02x:%02x:%d", device>>8&0xfff, device&0xff|device>>12&0xfff00, s.Ino), true
}
