package check

import (
	"context"
	"os"
	"path/filepath"
)

// stateFile checks that the state file can be written.
func (r *run) stateFile(context.Context) {
	path := r.cfg.Replay.StateFile
	if path == "" {
		return
	}
	// As the bridge writes it: a new file beside it, renamed.
	if err := writable(filepath.Dir(path)); err != nil {
		r.warn("replay.state_file", path, "cannot be written: "+err.Error(), "how far changes were confirmed is kept in the database alone, where a restored disk goes unnoticed", "replay.state_file: a path in a directory that the bridge may write to")
		return
	}
	r.ok("replay.state_file", path, "%s can be written", path)
}

// writable reports why no file can be made in a directory, or nil.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".check-*")
	if err != nil {
		return err
	}
	_ = f.Close()
	return os.Remove(f.Name())
}
