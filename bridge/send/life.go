package send

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"
)

// journalRetry is how often it is tried to open the file.
const journalRetry = 2 * time.Second

// Open opens the file, and reads what an earlier process left. Until it succeeds, every
// message is refused; Run tries again. Call it once before Run, before changes of the database are read, so
// that Observe knows what to look for.
func (s *Sender) Open() error {
	s.mu.Lock()
	needed := s.opts.Way != nil && s.journal == nil
	s.mu.Unlock()
	if !needed {
		return nil
	}
	// What was damaged is not read again before it is another: memory that bbolt has mapped
	// stays so after a panic.
	info, _ := os.Stat(s.opts.File)
	if s.damaged != nil && info != nil && os.SameFile(s.damaged, info) && s.damaged.Size() == info.Size() && s.damaged.ModTime().Equal(info.ModTime()) {
		return s.damage
	}
	// Without mu: it may wait for another process.
	j, recent, err := openRecent(s.opts.File, s.final)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.journalErr = err.Error()
		var bad *FileError
		if s.damaged = nil; errors.As(err, &bad) && !bad.Busy {
			s.damaged, s.damage = info, err
		}
		return err
	}
	j.rows = &s.rows
	for i := range slices.Backward(recent) { // the newest is the first
		s.rows.add(&recent[i])
		f := recent[i].Fault
		if recent[i].State == stateWaiting {
			f = errNotBegun
		}
		if f != nil {
			s.fail(&recent[i], f)
		}
		if f == nil && recent[i].Status == Pending || f != nil && f.Code == CodeUnknown {
			s.unsettled.foreign(recent[i].Workspace, recent[i].ID, recent[i].RowID)
		}
	}
	s.journal = j
	return nil
}

// openRecent opens a file, and returns what is told again of it.
func openRecent(path string, final func(status string) bool) (*journal, []record, error) {
	j, err := openJournal(path, final)
	if err != nil {
		return nil, nil, err
	}
	recent, err := j.since(time.Now().Add(-tellAgainFor), maxFailures)
	if err != nil {
		return nil, nil, errors.Join(err, j.close())
	}
	return j, recent, nil
}

// Run opens the file where Open could not, and forgets what is told no more. When ctx
// ends it ends what is on its way, as of unknown outcome, and returns nil. Call Shutdown
// before.
func (s *Sender) Run(ctx context.Context) error {
	tick := time.NewTicker(journalRetry)
	defer tick.Stop()
	for failing := false; ; {
		if err := s.Open(); err != nil && !failing {
			failing = true
			s.log.Error("messages cannot be sent: what was sent cannot be kept", "error", err)
		} else if err == nil && failing {
			failing = false
			s.log.Info("messages can be sent again")
		}
		s.forget(time.Now())
		select {
		case <-tick.C:
			continue
		case <-ctx.Done():
		}
		s.close()
		s.stop()
		s.running.Wait()
		s.following.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.journal != nil {
			_ = s.journal.close()
		}
		return nil
	}
}

func (s *Sender) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

// Shutdown refuses new messages and waits for those that are on their way, until ctx
// ends.
func (s *Sender) Shutdown(ctx context.Context) {
	s.close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.running.Wait()
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}
