package check

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"chatbridge/configs"
	"chatbridge/internal/durable"
)

// stateFiles checks that the files in the state directory can be written, and that there
// is one where something is lost without.
func (r *run) stateFiles(context.Context) {
	if r.cfg.Replay.StateFile == "" && r.cfg.Gateway.Upstream != "" {
		r.warn("replay.state_file", "", "is not set, and no state directory was given",
			"when the bridge restarts, pages that were at ChatEngine are caught up since they connected to it, which may be hours, instead of since they left",
			"replay.state_file: a path in a directory that the bridge may write to, and that outlives a restart")
	}
	r.stateFile("replay.state_file", r.cfg.Replay.StateFile, "how far changes were confirmed is kept in the database alone, where a restored disk goes unnoticed")
	meaning := "after a start, statuses of older messages cannot be told that changed while the slot was lost"
	if r.cfg.Source.Kind == configs.KindRealtime {
		meaning = "statuses of older messages that change during a restart are not told, nor is that they are not"
	}
	r.stateFile("ledger.file", r.cfg.Ledger.File, meaning)
}

func (r *run) stateFile(key, path, meaning string) {
	if path == "" {
		return
	}
	if r.cfg.InServiceState(key) {
		r.ok(key, path, "%s is in the directory that systemd makes for the service", path)
		return
	}
	// As the bridge writes it: a new file beside it, renamed.
	err := writable(filepath.Dir(path))
	if info, e := os.Stat(path); e == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no regular file")
	}
	if err == nil && key == "ledger.file" {
		err = durable.Recognise(path)
	}
	if err != nil {
		r.warn(key, path, "cannot be written: "+err.Error(), meaning, key+": a path in a directory that the bridge may write to")
		return
	}
	r.ok(key, path, "%s can be written", path)
}

// writable reports why no file can be made in a directory, or nil.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".check-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
