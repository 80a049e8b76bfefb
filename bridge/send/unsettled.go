package send

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"chatbridge/mapping/contract"
)

// For how long a text stays unsettled after its end here: if only its row can tell the outcome,
// if a row must follow the answer, and if the outcome was emitted but may not have reached
// clients yet.
const (
	unknownFor  = 10 * time.Minute // functions time out long before
	pendingFor  = time.Hour
	followsFor  = time.Minute
	settledFor  = 5 * time.Second
	maxNamed    = 500    // ids returned for one workspace: the newest
	maxUnsettle = 20_000 // texts in all
)

// unsettled are the texts of which clients may still get events, by workspace and the client's
// id. The zero value is empty; it is safe for concurrent use.
type unsettled struct {
	count atomic.Int64 // of all; while it is 0, rows are not inspected

	mu    sync.Mutex
	texts map[string]map[string]*unsettledText
	rows  map[rowKey]*unsettledText
}

type unsettledText struct {
	id, row, status string
	began           time.Time
	open            int       // how many are on their way under the id
	until           time.Time // while none is
}

// begin notes that a text is on its way.
func (u *unsettled) begin(workspace, id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if t := u.add(workspace, id); t != nil {
		t.open++
	}
}

// add returns a text, known or new; nil for one too many. mu must be held.
func (u *unsettled) add(workspace, id string) *unsettledText {
	if u.texts == nil {
		u.texts, u.rows = make(map[string]map[string]*unsettledText), make(map[rowKey]*unsettledText)
	}
	t := u.texts[workspace][id]
	if t != nil {
		return t
	}
	now := time.Now()
	if u.count.Load() >= maxUnsettle {
		if u.sweep(now); u.count.Load() >= maxUnsettle {
			return nil
		}
	}
	if u.texts[workspace] == nil {
		u.texts[workspace] = make(map[string]*unsettledText)
	}
	t = &unsettledText{id: id, began: now}
	u.texts[workspace][id] = t
	u.count.Add(1)
	return t
}

// foreign notes that something else is sending a text: the CRM itself, or an earlier process.
// row is its row, "" if unknown.
func (u *unsettled) foreign(workspace, id, row string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	t := u.add(workspace, id)
	if t == nil || t.open > 0 || !t.until.IsZero() {
		return
	}
	t.until = t.began.Add(unknownFor)
	if row != "" {
		t.row, u.rows[rowKey{workspace, row}] = row, t
	}
}

// passes reports whether a text was passed to another server, which is sending it.
func (s *Sender) passes(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.passed[id]) > 0
}

// end notes what became of a text that was begun.
func (u *unsettled) end(workspace, id, status string, f *Fault) {
	u.mu.Lock()
	defer u.mu.Unlock()
	t := u.texts[workspace][id]
	if t == nil || t.open == 0 {
		return
	}
	t.open--
	wait := settledFor
	switch {
	case t.final():
	case f != nil && f.Code == CodeUnknown:
		wait = unknownFor
	case f != nil:
	case status == Sent:
		wait = followsFor
	default:
		wait = pendingFor
	}
	if until := time.Now().Add(wait); until.After(t.until) {
		t.until = until
	}
}

// any reports whether there may be one.
func (u *unsettled) any() bool { return u.count.Load() > 0 }

// final reports whether its row has a final status.
func (t *unsettledText) final() bool { return t.status != "" && t.status != Pending }

// observe handles an event of a row. id is the client's id in it, "" for none.
func (u *unsettled) observe(ev *contract.Event, id string) {
	if !u.any() {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	key := rowKey{string(ev.Workspace), string(ev.Key)}
	t := u.rows[key]
	if t == nil && id != "" {
		if t = u.texts[key.workspace][id]; t != nil {
			delete(u.rows, rowKey{key.workspace, t.row})
			t.row, u.rows[key] = key.id, t
		}
	}
	if t == nil || t.final() {
		return
	}
	if t.status = string(ev.Status); t.final() {
		t.until = time.Now().Add(settledFor)
	}
}

// sweep forgets what is settled. mu must be held.
func (u *unsettled) sweep(now time.Time) {
	for workspace := range u.texts {
		u.sweepOf(workspace, now)
	}
}

func (u *unsettled) sweepOf(workspace string, now time.Time) {
	texts := u.texts[workspace]
	for id, t := range texts {
		if t.open == 0 && now.After(t.until) {
			delete(texts, id)
			delete(u.rows, rowKey{workspace, t.row})
			u.count.Add(-1)
		}
	}
	if len(texts) == 0 {
		delete(u.texts, workspace)
	}
}

// of returns the ids of a workspace's texts, the client's and the rows'.
func (u *unsettled) of(workspace string) []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.sweepOf(workspace, time.Now())
	texts := make([]*unsettledText, 0, len(u.texts[workspace]))
	for _, t := range u.texts[workspace] {
		texts = append(texts, t)
	}
	slices.SortFunc(texts, func(a, b *unsettledText) int { return b.began.Compare(a.began) })
	var ids []string
	for _, t := range texts[:min(len(texts), maxNamed)] {
		if ids = append(ids, t.id); t.row != "" {
			ids = append(ids, t.row)
		}
	}
	return ids
}

// Unsettled returns the ids, clients' and rows', of the workspace's texts of which clients
// may still be told something: those on their way, those of which only a row can tell what became
// of them, and those of which that was told a moment ago. It is bounded: the newest.
func (s *Sender) Unsettled(workspace string) []string { return s.unsettled.of(workspace) }
