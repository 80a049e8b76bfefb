package realtime

import (
	"context"
	"slices"
	"time"

	"chatbridge/source"
)

// publisher calls the handler. It belongs to the goroutine that called Run.
type publisher struct {
	s *Source
	h source.Handler
	// last is the Commit of the last transaction begun.
	last uint64
	// tail is the changes of the newest commit_timestamp, of whose transaction
	// more may be on its way; due is when to stop waiting, zero for not.
	tail []*change
	due  time.Time
	// waiting is the changes of conversations that are held, in their order.
	waiting []*change
}

func (p *publisher) run(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(p.wait())
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			p.s.queue.poke()
		case b := <-p.s.batches:
			if err := p.flush(); err != nil {
				return err
			}
			out, err := p.batch(b)
			if err != nil {
				return err
			}
			b.done <- out
		case <-p.s.queue.ready:
			if p.s.hold.left() > 0 {
				continue
			}
			if err := p.stream(p.s.queue.take()); err != nil {
				return err
			}
		}
	}
}

// wait is how long nothing needs to be done by itself.
func (p *publisher) wait() time.Duration {
	if left := p.s.hold.left(); left > 0 {
		return left
	}
	left := time.Hour
	if len(p.waiting) > 0 {
		left = p.s.hold.next()
	}
	if !p.due.IsZero() {
		left = min(left, max(time.Until(p.due), 0))
	}
	return left
}

// stream publishes streamed changes, those of one commit_timestamp together.
// The frames of a transaction come one after the other, and nothing marks the
// last: so the newest wait a little for more of theirs.
func (p *publisher) stream(items []*change) error {
	if len(items) > 0 {
		p.due = time.Now().Add(p.s.opts.Timing.Linger)
	}
	if len(p.waiting)+len(items) > p.s.opts.QueueChanges {
		p.s.hold.passed(p.s.clock.Elapsed())
	}
	items = slices.Concat(p.waiting, p.tail, items)
	p.waiting, p.tail = nil, nil
	defer func() { p.s.waiting.Store(int64(len(p.waiting))) }()
	for len(items) > 0 {
		n := 1
		for n < len(items) && items[n].at.Equal(items[0].at) {
			n++
		}
		if n == len(items) && n < p.s.opts.QueueChanges && time.Now().Before(p.due) {
			p.tail = items
			return nil
		}
		if err := p.group(items[:n]); err != nil {
			return err
		}
		items = items[n:]
	}
	p.due = time.Time{}
	return nil
}

// flush publishes what waits for more of its transaction.
func (p *publisher) flush() error {
	p.due = time.Time{}
	return p.stream(nil)
}

// next begins a transaction at a time; its Commit is above every earlier one. The first
// one's is at the time from which on this process publishes everything, if an earlier
// one kept that: a client that received something later lacks nothing of before.
func (p *publisher) next(at time.Time) source.Tx {
	c := uint64(max(at.UnixMicro(), 1))
	if p.last == 0 && p.s.kept != nil {
		if since := p.s.kept.CompleteSince(); !since.IsZero() {
			c = min(c, uint64(max(since.UnixMicro(), 1)))
		}
	}
	if c <= p.last {
		c = p.last + 1
	}
	p.last = c
	return source.Tx{Commit: c, Time: at}
}
