package bridge

import (
	"errors"
	"sync/atomic"

	"chatbridge/source"
)

// pulse stands before a Handler and tells whether its calls return. It costs
// two uncontended atomic additions a call.
type pulse struct {
	next           source.Handler
	entered, ended atomic.Uint64
	// last is what entered was at the last look; looks come one at a time.
	last uint64
}

func (p *pulse) Begin(tx source.Tx) error {
	p.entered.Add(1)
	defer p.ended.Add(1)
	return p.next.Begin(tx)
}

func (p *pulse) Change(c *source.Change) error {
	p.entered.Add(1)
	defer p.ended.Add(1)
	return p.next.Change(c)
}

func (p *pulse) Commit(tx source.Tx) error {
	p.entered.Add(1)
	defer p.ended.Add(1)
	return p.next.Commit(tx)
}

func (p *pulse) Gap(g source.Gap) error {
	p.entered.Add(1)
	defer p.ended.Add(1)
	return p.next.Gap(g)
}

var errStuck = errors.New("the pipeline is stuck: one change has been in it since the last look")

// look returns errStuck if the call that was there at the last look is there
// still.
func (p *pulse) look() error {
	ended, entered := p.ended.Load(), p.entered.Load()
	stuck := entered != ended && entered == p.last
	p.last = entered
	if stuck {
		return errStuck
	}
	return nil
}
