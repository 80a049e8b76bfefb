package throwaway

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// programs returns the directory to run initdb and postgres from: bin, or a
// copy of the installation in the cluster's own directory where bin is closed
// to the server's user, as root's home is. A copied postgres finds its
// libraries and its share directory only where they lie beside it.
func (h *home) programs(bin string) (string, error) {
	bin, err := filepath.Abs(bin)
	if err != nil {
		return "", fmt.Errorf("find the programs: %w", err)
	}
	if h.acc.runs(bin) {
		return bin, nil
	}
	dir := filepath.Join(h.dir, "programs")
	if err := mkdirOpen(dir); err != nil {
		return "", fmt.Errorf("create a directory for the programs: %w", err)
	}
	to := filepath.Join(dir, filepath.Base(bin))
	if complete(to) {
		return to, nil
	}
	prefix := filepath.Dir(bin)
	// Only these: the directory may be a user's home.
	for _, name := range []string{filepath.Base(bin), "lib", "lib64", "share"} {
		err := copyTree(filepath.Join(prefix, name), filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("copy Postgres from %s, which is closed to the server's user (uid %d): %w", bin, h.acc.uid, err)
		}
	}
	return to, nil
}

// runs reports whether the account may run the programs in bin.
func (a account) runs(bin string) bool {
	if a.own {
		return true
	}
	const others = 0o005
	for _, name := range []string{"initdb", "postgres"} {
		path, err := filepath.EvalSymlinks(filepath.Join(bin, name))
		if err != nil || !a.reaches(filepath.Dir(path)) {
			return false
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode()&others != others {
			return false
		}
	}
	return a.reaches(bin)
}

// copyTree copies a directory with its symbolic links; what could be read by
// its owner can be read by all in the copy.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		dst := filepath.Join(to, rel)
		switch {
		case d.IsDir():
			return mkdirOpen(dst)
		case d.Type() == fs.ModeSymlink:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(target, dst)
		}
		return copyOpen(path, dst)
	})
}

// mkdirOpen creates a directory that all may read, whatever the umask.
func mkdirOpen(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.Chmod(dir, 0o755)
}

// copyOpen copies a file so that all may read it, and run it if its owner may.
func copyOpen(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	mode := info.Mode().Perm() | 0o444
	if mode&0o100 != 0 {
		mode |= 0o111
	}
	return errors.Join(err, out.Chmod(mode), out.Close())
}
