package postgres

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"strings"
	"time"

	"chatbridge/source/postgres/pgoutput"
)

// Place is how far changes have been handled, and in which database. Without it a
// process would take what happened at the database while no bridge ran for a
// first start. Its JSON form is stable.
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
	// Shape is what Options.Inspect last returned without Faults, HealthyAt when
	// that was, by the server's clock. Broken tells that there were Faults when
	// the place was saved.
	Shape     Shape     `json:"shape,omitempty"`
	HealthyAt time.Time `json:"whole,omitzero"`
	Broken    bool      `json:"broken,omitempty"`
}

// IsZero reports whether nothing is remembered.
func (p Place) IsZero() bool { return p.LSN == 0 && p.CommitTime.IsZero() }

// equal reports whether p and q are the same place, with times HealthyAt that
// differ by less than grain.
func (p Place) equal(q Place, grain time.Duration) bool {
	return p.LSN == q.LSN && p.System == q.System && p.Timeline == q.Timeline &&
		p.Broken == q.Broken && maps.Equal(p.Shape, q.Shape) && p.HealthyAt.Sub(q.HealthyAt) < grain
}

// compare orders places of one system by how far they are.
func (p Place) compare(q Place) int {
	return cmp.Or(cmp.Compare(p.Timeline, q.Timeline), cmp.Compare(p.LSN, q.LSN))
}

// Memory saves a Place across processes, such as in a file. A Source calls it
// from one goroutine at a time.
type Memory interface {
	// Load returns what was saved last, the zero Place if nothing was. What is
	// there and cannot be read counts as nothing; the Memory reports it.
	Load(ctx context.Context) (Place, error)
	// Save returns when p is durable. It replaces what was saved before
	// atomically.
	Save(ctx context.Context, p Place) error
}

// newerPlace chooses between two memories. Of the same system the further one
// counts: a file beside the bridge lacks what another bridge read meanwhile, and
// a memory in the database goes back when the database does.
func newerPlace(a, b Place, system string) Place {
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

// DecodePlace reads the JSON form and ignores what follows it: a memory of a
// fixed size is padded.
func DecodePlace(text []byte) (Place, error) {
	var p Place
	err := json.NewDecoder(bytes.NewReader(text)).Decode(&p)
	return p, err
}

// LooksLikePlace reports whether a text may be the JSON form of a Place, of this or an earlier
// version, that was perhaps torn: an object that has a Place's members and no others.
func LooksLikePlace(text []byte) bool {
	text = bytes.TrimSpace(text)
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) == nil && members != nil {
		for name := range members {
			if !placeMembers[name] {
				return false
			}
		}
		return true
	}
	// Torn: it is judged by the first member's name.
	rest, ok := bytes.CutPrefix(text, []byte("{"))
	if !ok {
		return false
	}
	name, quoted := bytes.CutPrefix(bytes.TrimSpace(rest), []byte(`"`))
	if !quoted {
		return len(name) == 0
	}
	name, _, whole := bytes.Cut(name, []byte(`"`))
	for member := range placeMembers {
		if member == string(name) || !whole && strings.HasPrefix(member, string(name)) {
			return true
		}
	}
	return false
}

// placeMembers are the names of a Place's members in JSON.
var placeMembers = func() map[string]bool {
	names := make(map[string]bool)
	for f := range reflect.TypeFor[Place]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names[name] = true
	}
	return names
}()
