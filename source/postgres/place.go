package postgres

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"time"

	"chatbridge/source/postgres/pgoutput"
)

// Place is how far changes have been handled, and in which database: what a
// process has to know of the ones before it, lest what happened at the database
// while no bridge ran be taken for a first start. Its JSON form is stable.
type Place struct {
	// System and Timeline name the history that LSN belongs to.
	System   string `json:"system,omitempty"`
	Timeline int64  `json:"timeline,omitempty"`
	Database string `json:"database,omitempty"`
	// Slot and Publication are the names of what was read.
	Slot        string `json:"slot,omitempty"`
	Publication string `json:"publication,omitempty"`
	// LSN: every transaction that committed before it is handled. Nothing
	// past it is ever confirmed to the server.
	LSN pgoutput.LSN `json:"lsn,omitempty"`
	// Commit and CommitTime are the commit record and the commit time of the
	// last handled transaction. A log that has another transaction there, or
	// none, is another one.
	Commit     pgoutput.LSN `json:"commit,omitempty"`
	CommitTime time.Time    `json:"lastDelivered,omitzero"`
	// Shape is what Options.Inspect last saw when all was well, and Whole when
	// that was, by the server's clock. Broken tells that it was not so any
	// more when the place was kept.
	Shape  Shape     `json:"shape,omitempty"`
	Whole  time.Time `json:"whole,omitzero"`
	Broken bool      `json:"broken,omitempty"`
}

// IsZero reports whether nothing is remembered.
func (p Place) IsZero() bool { return p.LSN == 0 && p.CommitTime.IsZero() }

// equal reports whether keeping q instead of p would change nothing, but for
// when all was well, by less than grain.
func (p Place) equal(q Place, grain time.Duration) bool {
	return p.LSN == q.LSN && p.System == q.System && p.Timeline == q.Timeline &&
		p.Broken == q.Broken && maps.Equal(p.Shape, q.Shape) && p.Whole.Sub(q.Whole) < grain
}

// compare orders places of one system by how far they are.
func (p Place) compare(q Place) int {
	return cmp.Or(cmp.Compare(p.Timeline, q.Timeline), cmp.Compare(p.LSN, q.LSN))
}

// Memory keeps a Place across processes, such as in a file. A Source calls it
// from one goroutine at a time.
type Memory interface {
	// Load returns what was kept last, the zero Place if nothing was. What is
	// there and cannot be read is nothing, and for the Memory to report.
	Load(ctx context.Context) (Place, error)
	// Save returns when p is kept for good. It replaces what was kept before
	// in one step.
	Save(ctx context.Context, p Place) error
}

// newest chooses what to believe of two memories. Of the same system the
// further one counts: a file beside the bridge does not see what another
// bridge read meanwhile, and a memory in the database goes back with it.
func newest(a, b Place, system string) Place {
	switch {
	case a.IsZero():
		return b
	case b.IsZero():
		return a
	case a.System != b.System && b.System == system:
		return b
	case a.System != b.System:
		return a
	case a.compare(b) >= 0:
		return a
	}
	return b
}

// DecodePlace reads the JSON form. What follows it is not looked at: a memory
// of a fixed size is padded.
func DecodePlace(text []byte) (Place, error) {
	var p Place
	err := json.NewDecoder(bytes.NewReader(text)).Decode(&p)
	return p, err
}
