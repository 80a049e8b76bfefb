package pipeline

import (
	"time"

	"chatbridge/mapping"
)

// Between settleMin, twice as long after each failure, and settleMax lie the
// attempts to look up what events went out without.
const (
	settleMin = 100 * time.Millisecond
	settleMax = 2 * time.Second
)

// settleLater makes an attempt to settle what is owed come, if anything is.
func (p *Pipeline) settleLater() {
	if p.timer != nil || p.mapper.Owed() == 0 {
		return
	}
	p.pause = max(p.pause, settleMin)
	p.timer = time.AfterFunc(p.pause, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.timer = nil; p.hub.Context().Err() != nil {
			return
		}
		if p.due = p.open; !p.open {
			_ = p.settle() // publish does not fail
		}
	})
}

// settle asks once for what is owed. It publishes the events past all of the
// latest transaction's. While the source reads again what was published
// before, they would be taken for repeated ones and dropped: then it waits.
func (p *Pipeline) settle() error {
	p.due = false
	if p.tx.Commit >= p.hub.Head().Commit {
		answered, err := p.mapper.Settle(p.publishOwed)
		if err != nil {
			return err
		}
		p.pause = min(2*p.pause, settleMax)
		if answered {
			p.pause = settleMin
		}
		p.sayLookups()
	}
	p.settleLater()
	return nil
}

// sayLookups logs when look-ups begin to fail, and when they work again.
func (p *Pipeline) sayLookups() {
	err := p.mapper.LookupError()
	if failing := err != nil; failing == p.failing {
		return
	}
	p.failing = err != nil
	if err != nil {
		p.log.Warn("look-ups fail: events go out without what their rows lack, such as names, and are corrected when look-ups work again", "error", err)
		return
	}
	p.log.Info("look-ups work again", "toBeCorrected", p.mapper.Owed())
}

// publishOwed publishes an event that is made again. Its delay says nothing.
func (p *Pipeline) publishOwed(ev *mapping.Event) error {
	p.put(ev)
	return nil
}
