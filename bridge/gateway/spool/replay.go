package spool

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"chatbridge/internal/retry"
)

// Deliver sends a webhook to ChatEngine and returns its answer, whatever it is.
type Deliver func(context.Context, *Webhook) (*http.Response, error)

// turn is what the replay remembers between two attempts.
type turn struct {
	mu     sync.Mutex
	away   retry.Backoff
	paused time.Time // nothing is sent before
	// blocked are the lanes of which one waits for its next attempt, until when; all
	// that is before from in the queue is of theirs.
	blocked map[string]time.Time
	from    []byte
	// taken are those that ChatEngine has taken and the file still has, because it
	// could not be written: they are not sent again.
	taken map[uint64]bool
}

func (t *turn) reset() {
	t.away = retry.Backoff{Min: firstPause, Max: maxAway}
	t.blocked, t.taken = make(map[string]time.Time), make(map[uint64]bool)
}

// clearPause has the next webhook sent at once.
func (t *turn) clearPause() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.paused = time.Time{}
	t.away.Reset()
}

// forget makes the replay read the queue from its beginning.
func (t *turn) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.blocked, t.from = make(map[string]time.Time), nil
}

// pause keeps everything back, for as long as ChatEngine asks, or longer each time.
func (t *turn) pause(now time.Time, asked time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.paused = now.Add(max(t.away.Next(), asked))
}

// answered notes that ChatEngine answers.
func (t *turn) answered() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.away.Reset()
}

func (t *turn) block(lane string, until time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.blocked[lane] = until
}

// idle is how long the replay waits if nothing wakes it.
const idle = time.Minute

// replay sends what is due, one after the other.
func (s *Spool) replay(ctx context.Context, deliver Deliver) error {
	var expired time.Time
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.wake:
		case <-timer.C:
		}
		wait := time.Duration(0)
		for wait == 0 && ctx.Err() == nil {
			if now := time.Now(); now.Sub(expired) >= idle {
				expired = now
				s.expire(now)
			}
			wait = s.step(ctx, deliver)
		}
		timer.Reset(wait)
	}
}

// step makes the next attempt, if one is due, and returns how long to wait.
func (s *Spool) step(ctx context.Context, deliver Deliver) (wait time.Duration) {
	s.forgetTaken()
	if !s.well.Load() || s.stopping.Load() || s.Empty() {
		return idle
	}
	r, body, wait := s.next(time.Now())
	if r == nil {
		return wait
	}
	reservation := s.limiter.Reserve()
	if wait := reservation.Delay(); wait > 0 {
		reservation.Cancel() // it is looked at anew by then
		return wait
	}
	hook, err := r.webhook(body)
	if err != nil {
		s.bury(r, err.Error())
		return 0
	}
	s.attempt(ctx, r, hook, deliver)
	return 0
}

// next returns what is due with its body, or how long to wait.
func (s *Spool) next(now time.Time) (due *record, body []byte, wait time.Duration) {
	t := &s.turn
	t.mu.Lock()
	defer t.mu.Unlock()
	if wait := t.paused.Sub(now); wait > 0 {
		return nil, nil, min(wait, idle)
	}
	for lane, until := range t.blocked {
		if !until.After(now) {
			delete(t.blocked, lane)
			t.from = nil
		}
	}
	err := s.use(func(st *store) error {
		return st.view(func(x txn) error {
			c := x.queue().Cursor()
			for k, v := c.Seek(t.from); k != nil; k, v = c.Next() {
				r, err := decode(k, v)
				if err != nil {
					return err
				}
				t.from = append(t.from[:0:0], k...)
				if _, blocked := t.blocked[r.lane()]; blocked || t.taken[r.id] {
					continue
				}
				if r.Next.After(now) {
					t.blocked[r.lane()] = r.Next
					continue
				}
				due, body = r, append([]byte{}, x.body().Get(k)...)
				return nil
			}
			return nil
		})
	})
	wait = idle
	if err != nil {
		return nil, nil, firstPause // it is opened again
	}
	for _, until := range t.blocked {
		wait = min(wait, max(until.Sub(now), time.Millisecond))
	}
	return due, body, wait
}

// attempt sends a webhook, and records what became of it.
func (s *Spool) attempt(ctx context.Context, r *record, w *Webhook, deliver Deliver) {
	verdict, reason, asked := s.send(ctx, w, deliver)
	if ctx.Err() != nil && verdict.Retries() {
		return // the bridge ends; it is sent again
	}
	now := time.Now()
	s.count.attempts.Add(1)
	r.Attempts++
	r.Error = reason
	if verdict != Away && verdict != Busy {
		s.turn.answered()
	}
	switch verdict {
	case Taken:
		s.turn.mu.Lock()
		s.turn.taken[r.id] = true
		s.turn.mu.Unlock()
		s.count.replayed.Add(1)
		s.forgetTaken()
		return
	case Refused:
		s.bury(r, reason)
		return
	case Busy, Away:
		s.turn.pause(now, asked)
	case Failed:
		if r.Failures++; r.Failures >= maxFailures {
			s.bury(r, reason)
			return
		}
		r.Next = now.Add(max(pauseAfter(r.Failures), asked)).UTC()
		s.turn.block(r.lane(), r.Next)
	}
	s.count.failed.Add(1)
	s.record(func(t txn) error {
		if t.queue().Get(key(r.id)) == nil {
			return nil // dropped meanwhile
		}
		return put(t.queue(), r)
	})
}

// maxError bounds what is recorded of an error, in bytes.
const maxError = 300

// Try sends a webhook once and returns the answer where ChatEngine took it, or refused it for
// good; the caller reads and closes its body. Otherwise, or where no answer came in
// Options.Timeout, the webhook is to be kept, and failure is the reason.
func (s *Spool) Try(ctx context.Context, w *Webhook, deliver Deliver) (resp *http.Response, cancel func(), failure error) {
	ctx, stop := context.WithCancelCause(ctx)
	timer := time.AfterFunc(s.opts.Timeout, func() { stop(ErrNoAnswer) })
	resp, err := deliver(ctx, w)
	timely := timer.Stop()
	switch {
	case err != nil:
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
	case Judge(resp.StatusCode).Retries():
		discard(resp)
		err = &StatusError{resp.StatusCode, resp.Status}
	case !timely: // the answer's body would be cut off
		_ = resp.Body.Close()
		err = ErrNoAnswer
	}
	if err != nil {
		stop(nil)
		return nil, nil, err
	}
	return resp, func() { stop(nil) }, nil
}

// ErrNoAnswer: ChatEngine did not answer within Options.Timeout.
var ErrNoAnswer = errors.New("no answer in time")

// StatusError is an answer by which ChatEngine did not take a webhook, but may later.
type StatusError struct {
	Code   int
	Status string
}

func (e *StatusError) Error() string { return "answered " + e.Status }

// send makes one attempt.
func (s *Spool) send(ctx context.Context, w *Webhook, deliver Deliver) (v Verdict, reason string, asked time.Duration) {
	// Without a connection nothing of the webhook can have had to do with it.
	var connected atomic.Bool
	ctx, cancel := context.WithTimeoutCause(ctx, s.opts.Timeout, ErrNoAnswer)
	defer cancel()
	resp, err := deliver(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	}), w)
	switch {
	case err == nil:
		discard(resp)
		return Judge(resp.StatusCode), "answered " + resp.Status, retryAfter(resp.Header, time.Now())
	case context.Cause(ctx) != nil:
		err = context.Cause(ctx)
	}
	text := err.Error()
	if text = text[:min(len(text), maxError)]; connected.Load() {
		return Failed, text, 0
	}
	return Away, text, 0
}

// maxAnswer is how much of an answer that nobody wants is read, so that its
// connection can be used again.
const maxAnswer = 64 << 10

func discard(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer)
	_ = resp.Body.Close()
}

// forgetTaken removes what ChatEngine has taken.
func (s *Spool) forgetTaken() {
	t := &s.turn
	t.mu.Lock()
	ids := make([]uint64, 0, len(t.taken))
	for id := range t.taken {
		ids = append(ids, id)
	}
	t.mu.Unlock()
	for _, id := range ids {
		if s.record(func(x txn) error {
			_, err := x.remove(id)
			return err
		}) {
			t.mu.Lock()
			delete(t.taken, id)
			t.mu.Unlock()
		}
	}
}

// bury makes a webhook a dead letter.
func (s *Spool) bury(r *record, reason string) {
	r.Error, r.Died, r.Next = reason, time.Now().UTC(), time.Time{}
	if !s.record(func(t txn) error {
		if t.queue().Get(key(r.id)) == nil {
			return nil
		}
		return t.bury(r)
	}) {
		s.turn.block(r.lane(), time.Now().Add(firstPause))
		return
	}
	s.count.dead.Add(1)
	if n, ok := s.count.tell[tellDead].due(time.Now()); ok {
		s.log.Warn("a webhook became a dead letter", "id", r.id, "path", r.Path, "sender", r.Sender, "attempts", r.Attempts,
			"error", reason, "since_last", n, "remedy", "`bridge spool list --dead`, and `bridge spool replay --dead` once ChatEngine takes them")
	}
}

// record commits a change, and reports whether it could.
func (s *Spool) record(do func(txn) error) bool {
	err := s.use(func(st *store) error { return st.update(do) })
	if err != nil {
		if n, ok := s.count.tell[tellRecord].due(time.Now()); ok {
			s.log.Warn("what became of a webhook cannot be recorded", "error", err, "since_last", n)
		}
	}
	return err == nil
}

// maxExpired bounds how many are looked at, or changed, at a time.
const maxExpired = 1000

// expire makes what has waited for too long dead letters, and drops those that have
// been dead for as long.
func (s *Spool) expire(now time.Time) {
	before := now.Add(-s.opts.MaxAge)
	buried, dropped := 0, 0
	err := s.use(func(st *store) error {
		var old expired
		err := st.view(func(t txn) (err error) {
			old, err = oldest(t, before)
			return err
		})
		if err != nil || len(old.waiting)+len(old.dead) == 0 {
			return err // most minutes write nothing
		}
		return st.update(func(t txn) error {
			buried, dropped = 0, 0
			old, err := oldest(t, before)
			if err != nil {
				return err
			}
			for _, r := range old.waiting {
				r.Died, r.Error = now.UTC(), "older than spool.max_age; before: "+r.Error
				if err := t.bury(r); err != nil {
					return err
				}
				buried++
			}
			for _, r := range old.dead {
				if _, err := t.remove(r.id); err != nil {
					return err
				}
				dropped++
			}
			return nil
		})
	})
	if err != nil {
		return // it is opened again
	}
	if buried > 0 {
		s.count.dead.Add(uint64(buried))
		s.log.Warn("webhooks waited for longer than spool.max_age and are dead letters", "number", buried)
	}
	if dropped > 0 {
		s.noteDropped(uint64(dropped), "age")
	}
}

type expired struct{ waiting, dead []*record }

// oldest returns what is of before a time, up to maxExpired of each.
func oldest(t txn, before time.Time) (old expired, err error) {
	c := t.queue().Cursor() // in the order of Queued
	for k, v := c.First(); k != nil && len(old.waiting) < maxExpired; k, v = c.Next() {
		r, err := decode(k, v)
		if err != nil {
			return old, err
		}
		if !r.Queued.Before(before) {
			break
		}
		old.waiting = append(old.waiting, r)
	}
	c = t.dead().Cursor()
	for k, v := c.First(); k != nil && len(old.dead) < maxExpired; k, v = c.Next() {
		r, err := decode(k, v)
		if err != nil {
			return old, err
		}
		if r.Died.Before(before) {
			old.dead = append(old.dead, r)
		}
	}
	return old, nil
}
