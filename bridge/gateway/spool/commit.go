package spool

// job is one change that waits for a commit. do may be run once at most; it changes
// nothing but the transaction, and what the caller reads after the commit.
type job struct {
	do func(txn) error
	// ended gets the outcome, or lead where the job's owner is to commit.
	ended chan outcome
}

type outcome struct {
	err  error
	lead bool
}

// maxJobs bounds one transaction.
const maxJobs = 256

// update runs do in a transaction and returns when it is on the disk. Changes that
// are asked for while one is being committed go together into the next: a burst
// costs a few fsyncs, and a single webhook waits for nobody. After an error nothing
// of the transaction is kept.
func (s *store) update(do func(txn) error) error {
	j := &job{do: do, ended: make(chan outcome, 1)}
	s.mu.Lock()
	s.jobs = append(s.jobs, j)
	lead := !s.leading
	s.leading = true
	s.mu.Unlock()
	if !lead {
		o := <-j.ended
		if !o.lead {
			return o.err
		}
	}
	s.commit()
	return (<-j.ended).err
}

// commit commits the jobs that wait, the caller's among them, and has another go on.
func (s *store) commit() {
	s.mu.Lock()
	n := min(len(s.jobs), maxJobs)
	batch := s.jobs[:n:n]
	s.jobs = s.jobs[n:]
	s.mu.Unlock()
	err := s.run(batch)
	for _, j := range batch {
		j.ended <- outcome{err: err}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.jobs) > 0 {
		s.jobs[0].ended <- outcome{lead: true}
	} else {
		s.leading = false
	}
}

// run commits a batch.
func (s *store) run(batch []*job) error {
	return guard(func() error {
		tx, err := s.db.Begin(true)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }() // after a commit it does nothing
		sum := *s.now.Load()
		for _, j := range batch {
			if err := j.do(txn{tx, &sum}); err != nil {
				return err
			}
		}
		if err := tx.Commit(); err != nil {
			return err
		}
		s.now.Store(&sum)
		return nil
	})
}
