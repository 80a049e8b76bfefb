package throwaway

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Template is an initialised data directory to copy, which takes an eighth of
// the time of initdb (measured: 0.12 s against 0.9 s).
type Template struct {
	home *home
	bin  string
}

// NewTemplate runs initdb into a directory of its own. Remove removes it.
func NewTemplate(ctx context.Context, bin string) (*Template, error) {
	h, err := newHome()
	if err != nil {
		return nil, err
	}
	run, err := h.programs(bin)
	if err == nil {
		err = initdb(ctx, run, h)
	}
	if err != nil {
		h.remove()
		return nil, err
	}
	return &Template{home: h, bin: bin}, nil
}

// Bin returns the directory of the programs that made the template.
func (t *Template) Bin() string { return t.bin }

// Remove removes the template's directory. Clusters copied from it do not need it.
func (t *Template) Remove() { t.home.remove() }

// initdb makes the data directory of h.
func initdb(ctx context.Context, bin string, h *home) error {
	if err := os.WriteFile(h.passwordFile(), []byte(h.password+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the superuser's password: %w", err)
	}
	defer os.Remove(h.passwordFile())
	if err := h.acc.chown(h.passwordFile()); err != nil {
		return err
	}
	var out tail
	p, err := start(bin, "initdb", h.acc, h.dir, &out, syscall.SIGKILL,
		"-D", h.data(), "-U", superuser, "--pwfile", h.passwordFile(),
		"--auth-local=trust", "--auth-host=scram-sha-256",
		"--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
	if err != nil {
		return err
	}
	if err := p.wait(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("run initdb: %w\n%s", err, out.String())
	}
	return nil
}

// copyTo copies the template's data directory into h, password included.
func (t *Template) copyTo(h *home) error {
	h.password = t.home.password
	from, to := t.home.data(), h.data()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		dst := filepath.Join(to, rel)
		if d.IsDir() {
			err = os.Mkdir(dst, 0o700)
		} else {
			err = copyFile(path, dst)
		}
		if err != nil {
			return err
		}
		return h.acc.chown(dst)
	})
	if err != nil {
		return fmt.Errorf("copy the template: %w", err)
	}
	return nil
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o600)
}
