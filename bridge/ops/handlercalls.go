package ops

import (
	"errors"
	"sync/atomic"

	"chatbridge/source"
)

// Progress passes a source's calls to Handler and checks that they return. It
// costs two uncontended atomic additions a call.
type Progress struct {
	// Handler is set before the first call.
	Handler source.Handler

	entered, ended atomic.Uint64
	// last is what entered was at the last check; only check uses it.
	last uint64
}

// Begin implements source.Handler.
func (p *Progress) Begin(tx source.Tx) error {
	p.entered.Add(1)
	defer p.ended.Add(1)
	return p.Handler.Begin(tx)
}

// Change implements source.Handler.
func (p *Progress) Change(c *source.Change) error {
	p.entered.Add(1)
	defer p.ended.Add(1)
	return p.Handler.Change(c)
}

// Commit implements source.Handler.
func (p *Progress) Commit(tx source.Tx) error {
	p.entered.Add(1)
	defer p.ended.Add(1)
	return p.Handler.Commit(tx)
}

// Gap implements source.Handler.
func (p *Progress) Gap(g source.Gap) error {
	p.entered.Add(1)
	defer p.ended.Add(1)
	return p.Handler.Gap(g)
}

var errStuck = errors.New("the pipeline is stuck: one change has been in it since the last check")

// check returns errStuck if the call that was under way at the last check still
// is. Not for concurrent use.
func (p *Progress) check() error {
	ended, entered := p.ended.Load(), p.entered.Load()
	stuck := entered != ended && entered == p.last
	p.last = entered
	if stuck {
		return errStuck
	}
	return nil
}
