package throwaway

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	dirPattern = "chatbridge-pg-*"
	superuser  = "postgres"
)

// home is a cluster's directory: the data directory, the sockets, and a file that
// this program holds a lock on while it lives.
type home struct {
	dir      string
	acc      account
	password string
	lock     *os.File
}

// newHome creates a locked directory. It first removes those of programs that
// were killed.
func newHome() (*home, error) {
	acc, err := serverAccount()
	if err != nil {
		return nil, err
	}
	base, err := acc.baseDir()
	if err != nil {
		return nil, err
	}
	sweep(base)
	dir, err := os.MkdirTemp(base, dirPattern)
	if err != nil {
		return nil, fmt.Errorf("create a directory for Postgres: %w", err)
	}
	h := &home{dir: dir, acc: acc, password: rand.Text()}
	if err := h.fill(); err != nil {
		h.remove()
		return nil, err
	}
	return h, nil
}

func (h *home) fill() error {
	lock, err := os.OpenFile(h.lockFile(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("create a lock file: %w", err)
	}
	h.lock = lock
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("lock %s: %w", h.dir, err)
	}
	if err := os.Mkdir(h.sockets(), 0o700); err != nil {
		return fmt.Errorf("create a directory for sockets: %w", err)
	}
	if err := h.acc.chown(h.sockets()); err != nil {
		return err
	}
	return h.acc.chown(h.dir)
}

func (h *home) data() string         { return filepath.Join(h.dir, "data") }
func (h *home) sockets() string      { return filepath.Join(h.dir, "s") }
func (h *home) lockFile() string     { return filepath.Join(h.dir, "lock") }
func (h *home) passwordFile() string { return filepath.Join(h.dir, "password") }
func (h *home) pidFile() string      { return filepath.Join(h.data(), "postmaster.pid") }

// remove removes the directory and the shared memory that a killed postmaster
// of it left. Files of a process that is just ending may appear meanwhile, so
// it tries a few times.
func (h *home) remove() error {
	removeSharedMemory(h.pidFile())
	var err error
	for range 10 {
		if err = os.RemoveAll(h.dir); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if h.lock != nil {
		h.lock.Close()
	}
	if err != nil {
		return fmt.Errorf("remove the cluster's directory: %w", err)
	}
	return nil
}

// sweepAge is how old a directory without a living owner must be to be
// removed: a younger one may be about to be locked.
const sweepAge = time.Minute

// sweep removes the directories in base whose programs were killed. What it may
// not remove, such as another user's, it leaves.
func sweep(base string) {
	dirs, err := filepath.Glob(filepath.Join(base, dirPattern))
	if err != nil {
		return
	}
	for _, dir := range dirs {
		h := &home{dir: dir}
		info, err := os.Stat(h.lockFile())
		if err != nil || time.Since(info.ModTime()) < sweepAge {
			continue
		}
		lock, err := os.OpenFile(h.lockFile(), os.O_RDWR, 0)
		if err != nil {
			continue
		}
		h.lock = lock
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil || h.running() {
			lock.Close()
			continue
		}
		_ = h.remove()
	}
}

// running reports whether the postmaster that the directory's pid file names
// is alive.
func (h *home) running() bool {
	lines, err := pidLines(h.pidFile())
	if err != nil {
		return false
	}
	pid, err := strconv.Atoi(lines[0])
	if err != nil || pid <= 0 {
		return false
	}
	return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}

// pidLines returns the lines of a postmaster.pid: pid, data directory, start
// time, port, socket directory, listen address, shared memory key and id,
// status (pidfile.h). At least one.
func pidLines(path string) ([]string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(string(b), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return lines, nil
}
