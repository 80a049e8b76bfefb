package pipeline

import (
	"time"

	"chatbridge/internal/retry"
	"chatbridge/mapping/contract"
)

// What failed look-ups left out of events is looked up again, and the events are
// published again. A timer does that between transactions; if it finds one open, that
// transaction's Commit does it.

// correctMin and correctMax bound the pauses between the attempts.
const (
	correctMin = 100 * time.Millisecond
	correctMax = 2 * time.Second
)

// correction is the state of the attempts. Pipeline.mu guards it.
type correction struct {
	timer   *time.Timer // of the next attempt, nil for none
	backoff retry.Backoff
	due     bool // the timer found a transaction open: attempt at its Commit
	failing bool // look-ups fail, and the log says so
}

// correctLater schedules an attempt if any event is incomplete.
func (p *Pipeline) correctLater() {
	c := &p.correction
	if c.timer != nil || p.mapper.Owed() == 0 {
		return
	}
	c.timer = time.AfterFunc(c.backoff.Next(), func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if c.timer = nil; p.idle || p.hub.Context().Err() != nil {
			return
		}
		if c.due = p.open; !p.open {
			_ = p.correct() // publish does not fail
		}
	})
}

// correct looks up once what is missing. It publishes the corrected events at
// positions after all of the latest transaction's. While the source reads again
// what was published before, the Hub would drop these events as repeated, so correct
// only schedules the next attempt.
func (p *Pipeline) correct() error {
	p.correction.due = false
	if p.tx.Commit >= p.hub.Head().Commit {
		answered, err := p.mapper.Settle(p.publishCorrected)
		if err != nil {
			return err
		}
		if answered {
			p.correction.backoff.Reset()
		}
		p.logLookups()
	}
	p.correctLater()
	return nil
}

// logLookups logs when look-ups begin to fail, and when they work again.
func (p *Pipeline) logLookups() {
	err := p.mapper.LookupError()
	if failing := err != nil; failing == p.correction.failing {
		return
	}
	p.correction.failing = err != nil
	if err != nil {
		p.log.Warn("look-ups fail: events go out without what their rows lack, such as names, and are corrected when look-ups work again", "error", err)
		return
	}
	p.log.Info("look-ups work again", "toBeCorrected", p.mapper.Owed())
}

// publishCorrected publishes an event again. Its delay is not counted.
func (p *Pipeline) publishCorrected(ev *contract.Event) error {
	p.put(ev)
	return nil
}
