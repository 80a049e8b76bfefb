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
	"time"
)

// stateEvery is how often the state file is written while events come.
const stateEvery = 10 * time.Second

// stateFile keeps the commit time of the last published transaction, so that
// a bridge which starts and finds its slot gone can say since when changes
// were lost.
type stateFile struct {
	path string
	log  *slog.Logger
	// last tells what to keep; the zero time keeps what is there.
	last func() time.Time
}

type state struct {
	LastDelivered time.Time `json:"lastDelivered"`
}

// read returns what an earlier process kept; the zero time if none did.
func (f stateFile) read() (time.Time, error) {
	if f.path == "" {
		return time.Time{}, nil
	}
	text, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, nil
	}
	var s state
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("replay.state_file = %q: %w; remove the file, it is needed for a message only", f.path, err)
	}
	return s.LastDelivered, nil
}

// Run writes the file while events come, and once more at the end. A file
// that cannot be written is logged once and costs nothing else.
func (f stateFile) Run(ctx context.Context) error {
	if f.path == "" {
		<-ctx.Done()
		return nil
	}
	var written time.Time
	failed := false
	write := func() {
		last := f.last()
		if last.IsZero() || last.Equal(written) {
			return
		}
		if err := f.write(state{last.UTC()}); err != nil {
			if !failed {
				f.log.Warn("the state file cannot be written", "error", err)
			}
			failed = true
			return
		}
		written, failed = last, false
	}
	tick := time.NewTicker(stateEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			write()
			return nil
		case <-tick.C:
			write()
		}
	}
}

// write replaces the file in one step.
func (f stateFile) write(s state) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(f.path), ".state-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(append(text, '\n'))
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), f.path)
}
