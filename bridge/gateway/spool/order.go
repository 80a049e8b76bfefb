package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.etcd.io/bbolt"
)

// Order is what an operator asks for.
type Order struct {
	// Do is one of the Do constants.
	Do string `json:"do"`
	// IDs are the webhooks that are meant. All means all, Dead all dead letters;
	// DoReplay without any sends what waits now, without the rest of its pauses.
	IDs  []uint64 `json:"ids,omitempty"`
	All  bool     `json:"all,omitempty"`
	Dead bool     `json:"dead,omitempty"`
	// Body has DoShow answer the body too.
	Body bool `json:"body,omitempty"`
	// Limit bounds the entries of DoList; 0 is 1000.
	Limit int `json:"limit,omitempty"`
}

// What an operator can ask for.
const (
	DoList   = "list"
	DoShow   = "show"
	DoDrop   = "drop"
	DoReplay = "replay"
)

// Answer is the answer to an Order.
type Answer struct {
	// Entries are those of DoList, oldest first, dead letters last; the one of
	// DoShow. More is how many there are besides.
	Entries []Entry `json:"entries"`
	More    int     `json:"more,omitempty"`
	// Number is how many were dropped, or are sent again.
	Number int `json:"number,omitempty"`
}

// Entry is one webhook as an operator sees it: no header's value that could be a
// secret, no value of the query.
type Entry struct {
	ID       uint64    `json:"id"`
	Dead     bool      `json:"dead"`
	Kept     time.Time `json:"kept"`
	Size     int       `json:"size"`
	Path     string    `json:"path"`
	From     string    `json:"from"`
	Sender   string    `json:"sender,omitempty"`
	Attempts int       `json:"attempts"`
	Next     time.Time `json:"next,omitzero"`
	Died     time.Time `json:"died,omitzero"`
	Error    string    `json:"error,omitempty"`
	// Header and Body are DoShow's.
	Header []string `json:"header,omitempty"`
	Body   []byte   `json:"body,omitempty"`
}

const (
	defaultLimit = 1000
	maxLimit     = 100_000
)

// ErrUnknown: there is no webhook of that number.
var ErrUnknown = errors.New("is kept; `bridge spool list` shows the numbers of those that are")

func unknown(id uint64) error { return fmt.Errorf("no webhook %d %w", id, ErrUnknown) }

// errOrder: the order makes no sense.
var errOrder = errors.New("do is one of list, show, drop, replay; show takes one id, drop takes ids, all or dead")

// Do carries out an order.
func (s *Spool) Do(o Order) (a Answer, err error) {
	if err := o.validate(); err != nil {
		return a, err
	}
	err = s.use(func(st *store) error {
		a, err = st.carryOut(o, time.Now())
		return err
	})
	if err != nil {
		return Answer{}, err
	}
	switch o.Do {
	case DoReplay:
		s.turn.forget()
		s.turn.clearPause()
		s.wakeReplay()
	case DoDrop:
		s.turn.forget()
		s.wakeReplay()
		s.log.Info("webhooks of the spool were dropped by an operator", "number", a.Number)
	}
	return a, nil
}

// DoOffline carries out an order on the file of a directory that no daemon uses.
func DoOffline(dir string, o Order) (a Answer, err error) {
	if err := o.validate(); err != nil {
		return a, err
	}
	if _, err := os.Stat(filepath.Join(dir, FileName)); err != nil {
		return a, fmt.Errorf("no daemon has kept a webhook there: %w", err)
	}
	st, err := openStore(dir, 0, o.Do == DoList || o.Do == DoShow)
	if err != nil {
		return a, err
	}
	a, err = st.carryOut(o, time.Now())
	return a, errors.Join(err, st.close())
}

func (o Order) validate() error {
	switch {
	case o.Do == DoList, o.Do == DoReplay:
		return nil
	case o.Do == DoShow && len(o.IDs) == 1:
		return nil
	case o.Do == DoDrop && (len(o.IDs) > 0 || o.All || o.Dead):
		return nil
	}
	return errOrder
}

func (s *store) carryOut(o Order, now time.Time) (a Answer, err error) {
	switch {
	case o.Do == DoList:
		err = s.view(func(t txn) error { return t.list(o, &a) })
	case o.Do == DoShow:
		err = s.view(func(t txn) error { return t.show(o, &a) })
	case len(o.IDs) > 0:
		a.Number, err = s.each(o, o.IDs, now)
	default:
		a.Number, err = s.all(o, now)
	}
	return a, err
}

func (t txn) list(o Order, a *Answer) error {
	limit := o.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	limit = min(limit, maxLimit)
	a.Entries = []Entry{}
	for _, dead := range []bool{false, true} {
		if !dead && o.Dead {
			continue
		}
		err := t.part(dead).ForEach(func(k, v []byte) error {
			if len(a.Entries) >= limit {
				a.More++
				return nil
			}
			r, err := decode(k, v)
			if err != nil {
				return err
			}
			a.Entries = append(a.Entries, r.entry(dead))
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (t txn) part(dead bool) *bbolt.Bucket {
	if dead {
		return t.dead()
	}
	return t.queue()
}

func (t txn) show(o Order, a *Answer) error {
	r, dead, err := t.find(o.IDs[0])
	if err != nil {
		return err
	}
	if r == nil {
		return unknown(o.IDs[0])
	}
	e := r.entry(dead)
	for _, l := range r.Header {
		value := "***"
		if shown[l.Name] {
			value = string(l.Value)
		}
		e.Header = append(e.Header, l.Name+": "+value)
	}
	if o.Body {
		e.Body = append([]byte(nil), t.body().Get(key(r.id))...)
	}
	a.Entries = []Entry{e}
	return nil
}

// each drops webhooks, or has them sent again, by their numbers: all or none.
func (s *store) each(o Order, ids []uint64, now time.Time) (n int, err error) {
	var missing error
	err = s.update(func(t txn) error {
		for _, id := range ids {
			r, _, err := t.find(id)
			if err != nil {
				return err
			}
			if r == nil {
				missing = unknown(id)
				return nil
			}
		}
		for _, id := range ids {
			if done, err := t.apply(o, id, now); err != nil {
				return err
			} else if done {
				n++
			}
		}
		return nil
	})
	return n, errors.Join(err, missing)
}

// all does so with all dead letters, or with all there are, some at a time.
func (s *store) all(o Order, now time.Time) (n int, err error) {
	for _, dead := range []bool{true, false} {
		if dead && !o.Dead && !o.All || !dead && (o.Dead && !o.All) {
			continue
		}
		var last []byte
		for more := true; more && err == nil; {
			err = s.update(func(t txn) error {
				var ids []uint64
				c := t.part(dead).Cursor()
				for k, _ := c.Seek(last); k != nil && len(ids) < maxExpired; k, _ = c.Next() {
					ids = append(ids, binary.BigEndian.Uint64(k))
				}
				more = len(ids) == maxExpired
				for _, id := range ids {
					last = key(id + 1)
					if done, err := t.apply(o, id, now); err != nil {
						return err
					} else if done {
						n++
					}
				}
				return nil
			})
		}
	}
	return n, err
}

// apply drops one, or has it sent again.
func (t txn) apply(o Order, id uint64, now time.Time) (done bool, err error) {
	if o.Do == DoDrop {
		return t.remove(id)
	}
	r, dead, err := t.find(id)
	if r == nil || err != nil {
		return false, err
	}
	if dead {
		return true, t.revive(r, now)
	}
	r.Next = time.Time{}
	return true, put(t.queue(), r)
}

// shown are the headers whose values an operator may see; any other may be a secret.
var shown = map[string]bool{
	"Accept": true, "Accept-Encoding": true, "Accept-Language": true, "Content-Encoding": true, "Content-Language": true,
	"Content-Length": true, "Content-Type": true, "Date": true, "Host": true, "User-Agent": true,
	"X-Forwarded-For": true, "X-Forwarded-Host": true, "X-Forwarded-Proto": true,
}

func (r *record) entry(dead bool) Entry {
	return Entry{
		ID: r.id, Dead: dead, Kept: r.Kept, Size: r.Size, Path: r.Path + maskedQuery(string(r.Query)), From: r.From, Sender: r.Sender,
		Attempts: r.Attempts, Next: r.Next, Died: r.Died, Error: r.Error,
	}
}

// maskedQuery is a query without its values.
func maskedQuery(query string) string {
	if query == "" {
		return ""
	}
	parts := strings.Split(query, "&")
	for i, part := range parts {
		if name, _, ok := strings.Cut(part, "="); ok {
			parts[i] = name + "=***"
		} else {
			parts[i] = "***"
		}
	}
	return "?" + strings.Join(parts, "&")
}
