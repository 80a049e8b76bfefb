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
	f, err := os.CreateTemp(filepath.Dir(path), ".check-*")
	if err != nil {
		r.warn("replay.state_file", path, "cannot be written: "+err.Error(), "how far changes were confirmed is kept in the database alone, where a restored disk goes unnoticed", "replay.state_file: a path in a directory that the bridge may write to")
		return
	}
	_ = f.Close()
	_ = os.Remove(f.Name())
	r.ok("replay.state_file", path, "%s can be written", path)
}
