package mapping

import "chatbridge/source"

// Mapper maps transactions to events. One goroutine uses it at a time; Stats
// alone may be called from any.
type Mapper struct {
	spec *Spec
	opts Options
}

// New returns a Mapper for spec that remembers nothing yet.
func New(spec *Spec, opts Options) *Mapper {
	return &Mapper{spec: spec, opts: opts.withDefaults()}
}

// Begin starts a transaction. What an unfinished one before it left is
// dropped.
func (m *Mapper) Begin(tx source.Tx) {}

// Change maps one row's change. Events that need nothing looked up are emitted
// at once, others when the batch is complete, in order.
//
// A row that cannot be mapped is counted and warned of; the error is only
// ever one that emit returned.
func (m *Mapper) Change(c *source.Change, emit Emit) error { return nil }

// Commit ends the transaction: it emits the rows that waited for a lookup and
// the conversation events.
func (m *Mapper) Commit(emit Emit) error { return nil }

// Forget drops all that the Mapper remembers: after a Gap it may be untrue.
func (m *Mapper) Forget() {}

// Stats returns a snapshot of the counters.
func (m *Mapper) Stats() Stats { return Stats{} }
