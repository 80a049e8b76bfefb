package source

import "time"

// Handler takes what a source reads. A source calls it from one goroutine, in
// the order Begin, any number of Change, Commit; transactions do not overlap
// and come in commit order. A transaction that a lost connection cut short
// has no Commit: it comes again from its Begin, with the same Tx.Commit and
// the same changes, or a Gap says that it will not.
//
// Commit's nil return is the acknowledgement: from then on the source may
// tell the server that the transaction is done with. There is no other one.
// An error from any method ends the source's Run with it; a Handler deals
// with a bad row itself and returns nil.
type Handler interface {
	Begin(tx Tx) error
	Change(c *Change) error
	Commit(tx Tx) error
	// Gap reports, between transactions, that changes may have been lost to
	// this source for good: a slot was lost or given up, the history is
	// another one.
	Gap(g Gap) error
}

// Gap is a part of the stream that will not be delivered.
type Gap struct {
	// Reason is one sentence for the operator.
	Reason string
	// Since is the commit time of the last transaction known to have been
	// delivered, or the time of the first start where none was; zero where that is not
	// known.
	Since time.Time
	// Until is the time from which nothing is missing again.
	Until time.Time
	// Workspace and Conversation are whose the loss is, where one row alone was lost
	// and that is known of it; both empty where it may concern everybody.
	Workspace, Conversation string
	// After and Resume bound what was lost in the order of transactions: what was
	// delivered has a Tx.Commit of at most After, what follows one of at least Resume.
	// Resume is 0 where that is not known, After where nothing was delivered or what
	// was is of another history.
	After, Resume uint64
	// ReadBack tells that what was lost is delivered next, as far as the tables still
	// tell; what they do not tell follows as another Gap.
	ReadBack bool
	// Reload tells that the history went back or is another one: what was
	// delivered before may not exist any more, and what is stored of it is
	// invalid.
	Reload bool
}
