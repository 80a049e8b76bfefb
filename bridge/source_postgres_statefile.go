package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"chatbridge/internal/durable"
	"chatbridge/source/postgres"
)

// stateFile is a postgres.Memory: it keeps how far changes were confirmed to
// the database in a file, so that a bridge which starts notices what happened
// to the slot meanwhile.
type stateFile struct {
	path string
	log  *slog.Logger
}

// newStateFile returns the state file of a path, nil for none.
func newStateFile(path string, log *slog.Logger) postgres.Memory {
	if path == "" {
		return nil
	}
	return stateFile{path: path, log: log}
}

// recognise returns an error if the path holds a file that is no state file: it is not to be
// replaced.
func (f stateFile) recognise() error {
	err := durable.RecogniseText(f.path, postgres.LooksLikePlace)
	if errors.Is(err, durable.ErrForeign) {
		return fmt.Errorf("replay.state_file %s: %w; replay.state_file: a path of its own", f.path, err)
	}
	return nil // other errors show when the file is read or written
}

// Load returns what an earlier process kept, the zero Place if none did. A file that is torn
// or empty counts as none: it is replaced. A file that is not the bridge's is an error.
func (f stateFile) Load(context.Context) (postgres.Place, error) {
	var p postgres.Place
	if err := f.recognise(); err != nil {
		return p, err
	}
	text, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, fmt.Errorf("read replay.state_file: %w", err)
	}
	if err := json.Unmarshal(text, &p); err != nil {
		f.log.Warn("the state file does not hold what it should; it is replaced", "file", f.path, "error", err)
		return postgres.Place{}, nil
	}
	return p, nil
}

// Save replaces the file in one step, and returns when it is on the disk.
func (f stateFile) Save(_ context.Context, p postgres.Place) error {
	if err := f.recognise(); err != nil {
		return err
	}
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	dir := filepath.Dir(f.path)
	tmp, err := os.CreateTemp(dir, ".state-*")
	if err != nil {
		return fmt.Errorf("write replay.state_file: %w", err)
	}
	defer os.Remove(tmp.Name()) // no effect after the rename
	_, err = tmp.Write(append(text, '\n'))
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), f.path)
	}
	if err == nil {
		err = durable.SyncDirectory(dir)
	}
	if err != nil {
		return fmt.Errorf("write replay.state_file: %w", err)
	}
	return nil
}
