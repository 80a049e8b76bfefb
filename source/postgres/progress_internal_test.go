package postgres

import (
	"strings"
	"testing"
	"time"

	"chatbridge/source/postgres/pgoutput"
)

var t0 = time.Date(2026, 2, 5, 12, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time { return t0.Add(time.Duration(seconds * float64(time.Second))) }

func newProgress(retain time.Duration) *progress {
	p := &progress{retain: retain}
	p.start(100, 1<<30)
	return p
}

func wantPositions(t *testing.T, p *progress, now time.Time, handled, confirmed pgoutput.LSN) {
	t.Helper()
	h, c := p.positions(now)
	if h != handled || c != confirmed {
		t.Errorf("at %v: handled %d, confirmed %d; want %d, %d", now.Sub(t0), h, c, handled, confirmed)
	}
}

// transaction runs one through p; server and our clock agree.
func transaction(p *progress, end pgoutput.LSN, commit time.Time, now time.Time) {
	p.begin(commit, now, now)
	p.commit(transactionID{end - 50, commit}, end, now, now, true)
}

func TestProgressWithoutRetention(t *testing.T) {
	p := newProgress(0)
	wantPositions(t, p, at(0), 100, 100)
	transaction(p, 200, at(1), at(1))
	wantPositions(t, p, at(1), 200, 200)
	p.keepalive(300, at(2))
	wantPositions(t, p, at(2), 300, 300)
	// A keepalive inside a transaction is no place to confirm.
	p.begin(at(3), at(3), at(3))
	p.keepalive(400, at(3))
	wantPositions(t, p, at(3), 300, 300)
	p.commit(transactionID{440, at(3)}, 450, at(4), at(4), true)
	wantPositions(t, p, at(4), 450, 450)
	// Nor does anything go back.
	p.keepalive(350, at(5))
	wantPositions(t, p, at(5), 450, 450)
}

func TestProgressRetains(t *testing.T) {
	p := newProgress(60 * time.Second)
	transaction(p, 200, at(0), at(0))
	transaction(p, 300, at(10), at(10))
	p.keepalive(350, at(20))
	wantPositions(t, p, at(59), 350, 100)
	wantPositions(t, p, at(60), 350, 200)
	wantPositions(t, p, at(69), 350, 200)
	wantPositions(t, p, at(70), 350, 300)
	// What is not published ages too: it must not hold back the log.
	wantPositions(t, p, at(80), 350, 350)
}

func TestProgressConfirmsOldTransactionsAtOnce(t *testing.T) {
	// Catching up after an hour away: what committed an hour ago is older
	// than the retained time already.
	p := newProgress(60 * time.Second)
	transaction(p, 200, at(-3600), at(0))
	wantPositions(t, p, at(0), 200, 200)
	transaction(p, 300, at(-30), at(0))
	wantPositions(t, p, at(0), 300, 200)
}

func TestProgressUsesTheServersClock(t *testing.T) {
	// The server's clock is an hour ahead of ours.
	p := newProgress(60 * time.Second)
	p.begin(at(3600), at(3600), at(0))
	p.commit(transactionID{150, at(3600)}, 200, at(3600), at(0), true)
	wantPositions(t, p, at(59), 200, 100)
	wantPositions(t, p, at(60), 200, 200)
}

// TestProgressIgnoresStepsOfTheServersClock: what is retained ages by our own
// monotonic clock, whatever the server's clock says next.
func TestProgressIgnoresStepsOfTheServersClock(t *testing.T) {
	for _, step := range []float64{120, -120} {
		p := newProgress(60 * time.Second)
		transaction(p, 200, at(0), at(0))
		p.begin(at(1+step), at(1+step), at(1))
		p.commit(transactionID{250, at(1 + step)}, 300, at(1+step), at(1), true)
		p.keepalive(310, at(2))
		wantPositions(t, p, at(59), 310, 100)
		wantPositions(t, p, at(60), 310, 200)
		wantPositions(t, p, at(61), 310, 300)
		wantPositions(t, p, at(62), 310, 310)
		p.begin(at(63+step), at(63+step), at(63))
		if _, d, _ := p.lag(at(64)); d != time.Second {
			t.Errorf("step %v: a lag of %v, want 1s", step, d)
		}
	}
}

func TestProgressCommitTimesMayGoBack(t *testing.T) {
	p := newProgress(60 * time.Second)
	transaction(p, 200, at(30), at(30))
	transaction(p, 300, at(-60), at(31)) // committed later, by an earlier clock
	transaction(p, 400, at(32), at(32))
	wantPositions(t, p, at(80), 400, 100)
	// The one with the early time waits for those before it.
	wantPositions(t, p, at(90), 400, 300)
}

func TestProgressKnowsThatItRetains(t *testing.T) {
	p := newProgress(time.Hour)
	if p.retains() {
		t.Error("nothing is handled, and something retained")
	}
	transaction(p, 200, at(0), at(0))
	wantPositions(t, p, at(0), 200, 100)
	if !p.retains() {
		t.Error("what is handled and not confirmed does not count as retained")
	}
	p = newProgress(0)
	transaction(p, 200, at(0), at(0))
	if p.retains() {
		t.Error("something is retained that need not be")
	}
}

func TestProgressYieldsToTheLimit(t *testing.T) {
	p := &progress{retain: time.Hour}
	p.start(0, 1000)
	for i := range 50 {
		s := float64(i * 60)
		transaction(p, pgoutput.LSN(100*(i+1)), at(s), at(s))
	}
	h, c := p.positions(at(50 * 60))
	if h != 5000 || 5000-c > 1000 || 5000-c < 500 {
		t.Errorf("handled %d, confirmed %d, want the last 1000 retained", h, c)
	}
}

func TestProgressMarksAreBounded(t *testing.T) {
	p := newProgress(60 * time.Second)
	for i := range 100_000 {
		s := float64(i) / 1000
		transaction(p, pgoutput.LSN(200+i), at(s), at(s))
		if i%1000 == 0 {
			p.positions(at(s))
		}
	}
	if n := len(p.marks); n > 2*marksPerWindow {
		t.Errorf("%d marks", n)
	}
	// What is confirmed trails by the retained time and at most a part more.
	_, c := p.positions(at(100))
	if want := pgoutput.LSN(200 + 40_000); c > want || c < want-2*60_000/marksPerWindow {
		t.Errorf("confirmed %d, want at most %d and not much less", c, want)
	}
}

func TestShutdownDetector(t *testing.T) {
	var a shutdownDetector
	ask := func(lsn pgoutput.LSN, reply bool, s float64) bool {
		return a.observe(&pgoutput.Keepalive{WALEnd: lsn, ReplyRequested: reply}, at(s))
	}
	// Once per half time-out is no shutdown, nor is an answer to our ping.
	for i := range 10 {
		if ask(1, true, float64(i*5)) || ask(1, false, float64(i*5)) {
			t.Fatal("an ordinary keepalive was taken for a shutdown")
		}
	}
	// Nor are asks at places that move on.
	for i := range 10 {
		if ask(pgoutput.LSN(10+i), true, 100+float64(i)/1000) {
			t.Fatal("progress was taken for a shutdown")
		}
	}
	for i := range 10 {
		if ask(50, true, 200+float64(i)/1000) != (i == 9) {
			t.Errorf("ask %d of ten at one place within 10 ms: only the last tells a shutdown", i+1)
		}
	}
}

func TestOptionsValidate(t *testing.T) {
	good := Options{URL: "postgres://u:secret@h/db"}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for name, edit := range map[string]func(*Options){
		"no url":           func(o *Options) { o.URL = "" },
		"bad url":          func(o *Options) { o.URL = "postgres://u:secret@h:port/db" },
		"slot upper case":  func(o *Options) { o.Slot = "Bridge" },
		"slot too long":    func(o *Options) { o.Slot = string(make([]byte, 64)) },
		"negative retain":  func(o *Options) { o.Retain = -1 },
		"retry the wrong":  func(o *Options) { o.MinRetry, o.MaxRetry = 2, 1 },
		"unknown creation": func(o *Options) { o.Create = 9 },
	} {
		o := good
		edit(&o)
		err := o.Validate()
		if err == nil {
			t.Errorf("%s: accepted", name)
		} else if s := err.Error(); len(s) > 0 && strings.Contains(s, "secret") {
			t.Errorf("%s: the error shows the password: %v", name, err)
		}
	}
}

// TestWhatWasPassedOnAnotherHistoryIsNotHandled: after resume a new transaction
// at a place that was passed before is new, and nothing past it is confirmed.
func TestWhatWasPassedOnAnotherHistoryIsNotHandled(t *testing.T) {
	for _, retain := range []time.Duration{0, time.Hour} {
		p := progress{retain: retain}
		now := time.Now()
		p.start(50, 1<<30)
		p.commit(transactionID{90, now}, 100, now, now, true)
		p.keepalive(200, now.Add(retain/2))
		p.capConfirmed(200, true)
		p.doubt(60)
		p.observe(150)
		if handled, confirmed := p.positions(now); handled != 60 || confirmed != 60 {
			t.Errorf("in doubt: %v is reported as handled, %v as confirmed", handled, confirmed)
		}
		p.resume(100)
		if handled, _ := p.reached(); handled != 100 {
			t.Errorf("%v counts as handled", handled)
		}
		if handled, confirmed := p.positions(now.Add(2 * retain)); handled != 100 || confirmed > 100 {
			t.Errorf("%v is reported as handled, %v as confirmed", handled, confirmed)
		}
		// What comes next is not confirmed before it is saved again.
		p.commit(transactionID{120, now}, 130, now, now, true)
		if _, confirmed := p.positions(now.Add(4 * retain)); confirmed > 100 {
			t.Errorf("%v is confirmed and was not saved", confirmed)
		}
	}
}
