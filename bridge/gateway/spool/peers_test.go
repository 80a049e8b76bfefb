package spool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbridge/bridge/gateway/spool"
)

// engine is a ChatEngine whose answers are scripted.
type engine struct {
	mu    sync.Mutex
	start time.Time
	// answer says what becomes of an attempt; nil takes everything.
	answer func(w *spool.Webhook, n int) answer
	calls  []call
	news   chan struct{} // has a token after an attempt
}

type call struct {
	at   time.Duration
	body string
}

// answer is a status, or away, or a broken connection.
type answer struct {
	status     int
	retryAfter string
	away       bool
	broken     bool
}

func newEngine() *engine { return &engine{start: time.Now(), news: make(chan struct{}, 1)} }

func (e *engine) deliver(ctx context.Context, w *spool.Webhook) (*http.Response, error) {
	e.mu.Lock()
	a := answer{status: 200}
	n := 1
	for _, c := range e.calls {
		if c.body == string(w.Body) {
			n++
		}
	}
	if e.answer != nil {
		a = e.answer(w, n)
	}
	e.calls = append(e.calls, call{time.Since(e.start), string(w.Body)})
	e.mu.Unlock()
	defer func() {
		select {
		case e.news <- struct{}{}:
		default:
		}
	}()
	if a.away {
		return nil, errors.New("connection refused")
	}
	if trace := httptrace.ContextClientTrace(ctx); trace != nil {
		trace.GotConn(httptrace.GotConnInfo{})
	}
	if a.broken {
		return nil, io.ErrUnexpectedEOF
	}
	resp := &http.Response{StatusCode: a.status, Status: fmt.Sprint(a.status), Header: http.Header{}, Body: http.NoBody}
	if a.retryAfter != "" {
		resp.Header.Set("Retry-After", a.retryAfter)
	}
	return resp, nil
}

// seen are the attempts so far.
func (e *engine) seen() []call {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]call(nil), e.calls...)
}

// bodies are the attempts' bodies, one after the other.
func (e *engine) bodies() string {
	var all []string
	for _, c := range e.seen() {
		all = append(all, c.body)
	}
	return strings.Join(all, " ")
}

// times are those of a body's attempts.
func (e *engine) times(body string) (at []time.Duration) {
	for _, c := range e.seen() {
		if c.body == body {
			at = append(at, c.at)
		}
	}
	return at
}

// running is a spool that runs.
type running struct {
	*spool.Spool
	t      *testing.T
	dir    string
	cancel context.CancelFunc
	done   chan error
}

// start runs a spool of a directory; o.Dir empty is a new one.
func start(t *testing.T, o spool.Options, e *engine) *running {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir() + "/spool"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(logs{t}, nil))
	}
	s, err := spool.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	r := &running{s, t, o.Dir, cancel, make(chan error, 1)}
	go func() { r.done <- s.Run(ctx, e.deliver) }()
	t.Cleanup(r.end)
	return r
}

// end ends it; it may be repeated.
func (r *running) end() {
	r.cancel()
	if err, ok := <-r.done; ok && err != nil {
		r.t.Error(err)
	} else if ok {
		close(r.done)
	}
}

// keep keeps a webhook of a sender.
func (r *running) keep(sender, body string) {
	r.t.Helper()
	if err := r.Keep(hook(sender, body)); err != nil {
		r.t.Fatal(err)
	}
}

// hook is a webhook. Its body is JSON where it has a sender.
func hook(sender, body string) *spool.Webhook {
	return &spool.Webhook{Path: "/api/webhooks/whatsapp/" + sender, Header: http.Header{"X-Signature": {"s3cret"}}, Body: []byte(body), From: "192.0.2.1"}
}

// await waits until ok, which is looked at after each attempt and some times besides.
func (r *running) await(what string, e *engine, ok func() bool) {
	r.t.Helper()
	deadline := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-e.news:
		case <-time.After(5 * time.Millisecond):
		case <-deadline:
			r.t.Fatalf("timed out: %s; sent: %s; %+v", what, e.bodies(), r.Stats())
		}
	}
}

type logs struct{ t *testing.T }

func (l logs) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// options are the defaults without a rate.
func options() spool.Options {
	o := spool.DefaultOptions()
	o.Rate = 0
	return o
}

// order carries out an order.
func (r *running) order(o spool.Order) spool.Answer {
	r.t.Helper()
	a, err := r.Do(o)
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}
