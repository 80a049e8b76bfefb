package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// Why a webhook is not kept, besides ErrUnavailable.
var (
	ErrLarge  = errors.New("the body is larger than spool.max_body")
	ErrMemory = errors.New("too many bodies are being read")
	ErrBody   = errors.New("the body did not come, or not in time")
	ErrFull   = errors.New("the spool is full")
)

// minMemory bounds the bodies in memory, or four of the largest do.
const minMemory = 64 << 20

// piece is how much of a body is read at a time, before more memory is asked for: a
// request takes no memory for what it only announces.
const piece = 64 << 10

// ReadBody reads the whole body of a request, within the limits of size and time.
// release gives its memory back; it may be repeated, and must be called after errors
// too. With ErrLarge, body is what was read, and the request's has the rest. After
// other errors nothing more can be read of it.
func (s *Spool) ReadBody(w http.ResponseWriter, r *http.Request) (body []byte, release func(), err error) {
	var taken int64
	release = sync.OnceFunc(func() { s.memory.Add(-taken) })
	if r.ContentLength > s.opts.MaxBody {
		return nil, release, ErrLarge
	}
	// Not supported is a connection without deadlines, as in tests.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(s.opts.BodyTimeout))
	defer func() {
		after := time.Time{}
		if err != nil && !errors.Is(err, ErrLarge) {
			after = time.Now() // the server would wait for the rest, for as long as the client likes
		}
		_ = control.SetReadDeadline(after)
	}()
	most := max(minMemory, 4*s.opts.MaxBody)
	var b bytes.Buffer
	for {
		taken += piece
		if s.memory.Add(piece) > most {
			return nil, release, ErrMemory
		}
		n, err := io.CopyN(&b, r.Body, piece)
		switch {
		case errors.Is(err, io.EOF):
			return b.Bytes(), release, nil
		case err != nil:
			return nil, release, ErrBody
		case int64(b.Len()) > s.opts.MaxBody:
			return b.Bytes(), release, ErrLarge
		case n == 0:
			return nil, release, ErrBody // never
		}
	}
}

// openWait is how long a webhook waits at the start for the file to be opened.
const openWait = 5 * time.Second

// AwaitOpen returns once it is known what the file has, or that it cannot be opened: at
// the start that takes a moment.
func (s *Spool) AwaitOpen() {
	select {
	case <-s.opened:
	case <-time.After(openWait):
	}
}

// Keep returns nil when the webhook is on the disk.
func (s *Spool) Keep(w *Webhook) error {
	s.AwaitOpen()
	r := newRecord(w, time.Now())
	if w.Body == nil {
		w.Body = []byte{}
	}
	full, dropped := false, 0
	err := s.use(func(st *store) error {
		return st.update(func(t txn) (err error) {
			full, dropped, err = t.keep(r, w.Body, st.maxBytes)
			return err
		})
	})
	if err == nil && full {
		err = ErrFull
	}
	if err != nil {
		return err
	}
	s.count.kept.Add(1)
	if dropped > 0 {
		s.noteDropped(uint64(dropped), "full")
	}
	s.wakeReplay()
	return nil
}

// keep adds a webhook; where there is no room, the oldest dead letters go for it.
func (t txn) keep(r *record, body []byte, most int64) (full bool, dropped int, err error) {
	if t.sum.bytes-t.sum.deadBytes+r.Cost > most {
		return true, 0, nil
	}
	for t.sum.bytes+r.Cost > most {
		k, _ := t.dead().Cursor().First()
		if k == nil {
			return false, 0, errDamaged // the sum is wrong
		}
		if _, err := t.remove(binary.BigEndian.Uint64(k)); err != nil {
			return false, 0, err
		}
		dropped++
	}
	return false, dropped, t.add(r, body)
}

// NoteRefused counts a webhook that was neither passed on nor kept, and logs it, at
// most once a minute for each reason.
func (s *Spool) NoteRefused(err error, from string) {
	why := refuseDisk
	switch {
	case errors.Is(err, ErrFull):
		why = refuseFull
	case errors.Is(err, ErrLarge):
		why = refuseLarge
	case errors.Is(err, ErrMemory):
		why = refuseMemory
	case errors.Is(err, ErrBody):
		why = refuseBody
	}
	s.count.refused[why].Add(1)
	if n, ok := s.count.tell[why].due(time.Now()); ok {
		s.log.Warn("a webhook was not kept, and its sender was told to send it again", "why", why.String(), "error", err, "client", from, "since_last", n)
	}
}

func (s *Spool) noteDropped(n uint64, why string) {
	s.count.dropped.Add(n)
	s.log.Warn("dead letters of the spool were dropped", "number", n, "why", why)
}
