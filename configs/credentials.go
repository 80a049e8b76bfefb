package configs

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// credentialsParent is where systemd makes the directories of credentials, each named as
// its unit.
const credentialsParent = "/run/credentials"

// credentialFiles leads the settings that name a file among systemd's credentials to
// where it is now: in the daemon to the copy that a reload has made, in a command beside
// it to the file that LoadCredential= names.
func (l *loader) credentialFiles(env map[string]string, beside bool) {
	c := l.config
	for _, path := range []*string{&c.TLS.CertFile, &c.TLS.KeyFile} {
		dir, id := filepath.Dir(*path), filepath.Base(*path)
		ofService := c.installation.unit != "" && dir == filepath.Join(credentialsParent, c.installation.unit)
		if *path == "" || !ofService && dir != filepath.Clean(cmp.Or(env[credentialsDirectory], "-")) {
			continue
		}
		renewed := c.installation.credentials[id]
		if !beside {
			renewed = filepath.Join(firstDirectory(env[runtimeDirectory]), id)
		}
		if filepath.IsAbs(renewed) && exists(renewed) {
			*path = renewed
		}
	}
}

// maxCredential bounds what is copied of a credential's file, in bytes; it is systemd's
// own bound.
const maxCredential = 1 << 20

// RefreshCredentials copies what LoadCredential= of Sources.Unit names into
// $RUNTIME_DIRECTORY, where the running service reads it at its next reload in place of
// what systemd copied at the start. It is for root, in ExecReload=. After an error no copy
// has changed. Sockets and directories are left out: they stay as systemd has read them.
func (c *Config) RefreshCredentials(environ []string) error {
	env := variables(environ)
	dir, pid := firstDirectory(env[runtimeDirectory]), env["MAINPID"]
	if dir == "" || pid == "" {
		return errors.New("only ExecReload= of a unit with RuntimeDirectory= can do this: run `systemctl reload bridge`")
	}
	running, err := os.ReadFile(filepath.Join("/proc", pid, "environ"))
	if err != nil {
		return fmt.Errorf("read the running service's environment: %w", err)
	}
	if firstDirectory(variables(splitEnviron(running))[runtimeDirectory]) != dir {
		return errors.New("the service was started by a unit without RuntimeDirectory=, and would go on with the secrets of its start: run `systemctl restart bridge` once")
	}
	contents := map[string][]byte{}
	for id, file := range c.installation.credentials {
		info, err := os.Stat(file)
		if err == nil && !info.Mode().IsRegular() {
			continue
		}
		if contents[id], err = readCredential(file); err != nil {
			return fmt.Errorf("credential %s: %w", id, err)
		}
	}
	return writeCredentials(dir, contents)
}

func splitEnviron(text []byte) (vars []string) {
	for len(text) > 0 {
		i := slices.Index(text, 0)
		if i < 0 {
			i = len(text)
		}
		vars = append(vars, string(text[:i]))
		text = text[min(i+1, len(text)):]
	}
	return vars
}

func readCredential(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxCredential+1))
	if err == nil && len(text) > maxCredential {
		err = fmt.Errorf("%s is larger than %s", file, Size(maxCredential))
	}
	return text, err
}

// writeCredentials writes the files for the owner of dir. That is the service, which is
// not trusted: whatever it has put there, nothing outside is written or changes its owner.
// All are complete before the first takes its name.
func writeCredentials(dir string, contents map[string][]byte) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	info, err := root.Stat(".")
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return errors.New("this system does not tell a directory's owner")
	}
	ids := slices.Sorted(maps.Keys(contents))
	for _, id := range ids {
		if err := writeCredential(root, "."+id, contents[id], int(owner.Uid), int(owner.Gid)); err != nil {
			for _, id := range ids {
				_ = root.RemoveAll("." + id) // what is left of them is no credential's name
			}
			return fmt.Errorf("copy credential %s: %w", id, err)
		}
	}
	for _, id := range ids {
		if err := root.Rename("."+id, id); err != nil {
			return fmt.Errorf("copy credential %s: %w", id, err)
		}
	}
	return nil
}

func writeCredential(root *os.Root, name string, content []byte, uid, gid int) error {
	if err := root.RemoveAll(name); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o400)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Chown(uid, gid), f.Close())
}
