package realtime_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"chatbridge/source/readback"
	"chatbridge/source/realtime"
)

// readThrough makes the source read back through PostgREST behind another handler,
// with bounds of the test's.
func (p *project) readThrough(front func(http.Handler) http.Handler, o readback.PostgRESTOptions) realtime.Reader {
	p.t.Helper()
	srv := httptest.NewServer(front(p.rest))
	p.t.Cleanup(srv.Close)
	o.URL, o.Rate = srv.URL, 1000
	o.Key = func(context.Context) (string, error) { return p.rt.Key(), nil }
	r, err := readback.NewPostgREST(o)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = r.Close() })
	return r
}

func unchanged(h http.Handler) http.Handler { return h }

// lose has the stream lose large messages and, after them, ordinary ones.
func (p *project) lose(large, size, ordinary int) {
	p.t.Helper()
	p.rt.Silence(true)
	p.sql(`insert into messages (conversation_id, workspace_id, body, created_at)
		select $1, $2, n || repeat('x', $3), now() - make_interval(secs => 1 + $4 - n) from generate_series(1, $4) n`, conversation, workspace, size, large)
	for i := range ordinary {
		p.message(fmt.Sprint("ordinary ", i), "sent")
	}
	p.rt.Drain()
	p.rt.Silence(false)
}

// TestBatchThatIsTooLarge: what is read back at once is as much as can be read, and
// the rows behind do not wait for it.
func TestBatchThatIsTooLarge(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		front func(http.Handler) http.Handler
		bound readback.PostgRESTOptions
	}{
		"for the bound of an answer": {unchanged, readback.PostgRESTOptions{MaxBody: 400_000}},
		"for the time of a request":  {slow(300_000), readback.PostgRESTOptions{Timeout: 500 * time.Millisecond}},
		"for a gateway on the way":   {cutOff(400_000), readback.PostgRESTOptions{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := prepare(t, setup{})
			p.run(setup{change: func(o *realtime.Options) { o.Reader = p.readThrough(tt.front, tt.bound) }})
			p.settled()
			p.lose(30, 20_000, 20)
			p.awaitTruth("messages", "body")
			p.settled()
			p.rec.check(t)
		})
	}
}

// slow is a link of so many bytes a second.
func slow(rate int) func(http.Handler) http.Handler {
	return func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			w.WriteHeader(rec.Code)
			body := rec.Body.Bytes()
			const piece = 10_000
			for len(body) > 0 && r.Context().Err() == nil {
				n := min(len(body), piece)
				_, _ = w.Write(body[:n])
				_ = http.NewResponseController(w).Flush()
				body = body[n:]
				time.Sleep(time.Second * piece / time.Duration(rate))
			}
		})
	}
}

// cutOff is a gateway that cuts an answer off which is longer than it allows.
func cutOff(limit int) func(http.Handler) http.Handler {
	return func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			if rec.Body.Len() <= limit {
				w.WriteHeader(rec.Code)
				_, _ = w.Write(rec.Body.Bytes())
				return
			}
			w.Header().Set("Content-Length", fmt.Sprint(rec.Body.Len()))
			w.WriteHeader(rec.Code)
			_, _ = w.Write(rec.Body.Bytes()[:limit])
			panic(http.ErrAbortHandler)
		})
	}
}

// TestRowThatCannotBeRead: it is skipped and reported with its key, once, and is
// published when it can be read.
func TestRowThatCannotBeRead(t *testing.T) {
	t.Parallel()
	p := prepare(t, setup{})
	p.run(setup{change: func(o *realtime.Options) {
		o.Reader = p.readThrough(unchanged, readback.PostgRESTOptions{MaxBody: 100_000})
	}})
	p.settled()
	p.rt.Silence(true)
	huge := p.message(strings.Repeat("x", 150_000), "sent")
	p.rt.Drain()
	p.rt.Silence(false)
	p.lose(0, 0, 20)
	p.await("the ordinary messages", func() bool {
		p.rec.mu.Lock()
		defer p.rec.mu.Unlock()
		return len(p.rec.rows) == 20
	})
	p.settled()
	if n := p.log.count(huge); n != 1 {
		t.Errorf("the row's key was logged %d times", n)
	}
	p.rec.mu.Lock()
	gaps := len(p.rec.gaps)
	p.rec.mu.Unlock()
	if gaps != 1 {
		t.Errorf("%d gaps were reported, want one of the row", gaps)
	}
	p.rt.Silence(true) // only reading back can find it
	p.sql("update messages set body = 'short' where id = $1", huge)
	p.awaitTruth("messages", "body")
	p.rec.check(t)
}
