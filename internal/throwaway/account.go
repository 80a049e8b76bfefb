package throwaway

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
)

// account is the user that the processes run as. own: it is the user of this
// program, and files need no change of owner.
type account struct {
	uid, gid int
	own      bool
}

// serverAccount returns our own account, or for root, which Postgres refuses,
// that of postgres or nobody.
func serverAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{uid: os.Geteuid(), gid: os.Getegid(), own: true}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err1 == nil && err2 == nil && uid > 0 {
			return account{uid: uid, gid: gid}, nil
		}
	}
	return account{}, errors.New("postgres does not run as root and there is neither a user postgres nor nobody: run as an ordinary user")
}

// chown makes the account the owner of a file.
func (a account) chown(path string) error {
	if a.own {
		return nil
	}
	if err := os.Lchown(path, a.uid, a.gid); err != nil {
		return fmt.Errorf("give %s to the server's user: %w", path, err)
	}
	return nil
}

// longestBase is how long the temporary directory's path may be: a unix
// socket's path has room for 107 bytes (103 on macOS), and ours adds
// `/chatbridge-pg-4294967295/s/.s.PGSQL.65535.lock`.
const longestBase = 103 - 48

// baseDir returns the directory to make clusters in: the system's temporary
// one, or another where its path is too long for a socket or the account may
// not pass through it.
func (a account) baseDir() (string, error) {
	dirs := []string{os.TempDir(), "/tmp", "/var/tmp"}
	for _, dir := range dirs {
		dir, err := filepath.Abs(dir)
		if err != nil || len(dir) > longestBase || !a.reaches(dir) {
			continue
		}
		return dir, nil
	}
	return "", fmt.Errorf("none of %q serves as a temporary directory: each has a path of over %d bytes or is closed to the server's user (uid %d); set TMPDIR to another",
		dirs, longestBase, a.uid)
}

// reaches reports whether the account may pass through dir and all above it.
// It checks the mode bits for other users only: at worst a usable directory is
// refused.
func (a account) reaches(dir string) bool {
	if a.own {
		info, err := os.Stat(dir)
		return err == nil && info.IsDir()
	}
	for {
		info, err := os.Stat(dir)
		if err != nil || !info.IsDir() || info.Mode()&0o001 == 0 {
			return false
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return true
		}
		dir = parent
	}
}
