package postgres_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/source/postgres"
)

// TestDroppedPackets: a connection on which nothing passes any more is given
// up after three pings, and the next one goes on where it was.
func TestDroppedPackets(t *testing.T) {
	t.Parallel()
	direct := pgtest.DB(t, simple)
	p, through := newProxy(t, direct)
	const ping = 100 * time.Millisecond
	src, rec := start(t, postgres.Options{URL: through, Ping: ping})
	exec(t, direct, `insert into t values (1)`)
	rec.awaitRows(t, 1)
	p.freeze()
	began := time.Now()
	exec(t, direct, `insert into t values (2)`)
	src.awaitState(t, postgres.Retrying, postgres.Connecting)
	took := time.Since(began)
	t.Logf("noticed after %v, pings every %v", took, ping)
	if f := src.Stats().LastError; f == nil || !strings.Contains(f.Text, "not replied") {
		t.Errorf("last error %+v", f)
	}
	// The next connection finds our own server process in the slot, which
	// has not noticed, and ends it.
	p.leadTo(t, direct)
	p.thaw()
	p.cut()
	exec(t, direct, `insert into t values (3)`)
	checkIDs(t, rec, 3)
}

// TestOwnGhostIsEnded: after half of the network died the server still holds
// our old connection; we need not wait until it notices.
func TestOwnGhostIsEnded(t *testing.T) {
	t.Parallel()
	direct := pgtest.DB(t, simple)
	p, through := newProxy(t, direct)
	src, rec := start(t, postgres.Options{URL: through, Ping: 100 * time.Millisecond, ServerTimeout: time.Minute})
	exec(t, direct, `insert into t values (1)`)
	rec.awaitRows(t, 1)
	// The old connections stay open towards the server, frozen for good;
	// new ones pass.
	p.freezeOld()
	exec(t, direct, `insert into t values (2)`)
	checkIDs(t, rec, 2)
	if n := src.Stats().Reconnects; n != 1 {
		t.Errorf("%d reconnects, want 1", n)
	}
}

// TestSlowHandlerIsNotCut stalls the handler for much longer than the time
// after which the server cuts a reader that says nothing.
func TestSlowHandlerIsNotCut(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, simple)
	const timeout = 3 * time.Second
	src, rec := start(t, postgres.Options{URL: url, Ping: 500 * time.Millisecond, ServerTimeout: timeout})
	stalled := make(chan struct{}, 1)
	goOn := make(chan struct{})
	rec.setBefore(func(kind string) error {
		if kind == "change" {
			select {
			case stalled <- struct{}{}:
				<-goOn
			default:
			}
		}
		return nil
	})
	// More than the buffers of both sockets hold, so that the server blocks.
	const n = 40_000
	exec(t, url, `insert into t select i, repeat('x', 500) from generate_series(1, 40000) i`)
	<-stalled
	pid := query(t, url, `select active_pid::text from pg_replication_slots where slot_name = $1`, uniqueSlot(t))
	// Wait until the server's timeout has passed four times, by its clock.
	query(t, url, `select pg_sleep(12)::text`)
	close(goOn)
	checkIDs(t, rec, n)
	if got := query(t, url, `select active_pid::text from pg_replication_slots where slot_name = $1`, uniqueSlot(t)); got != pid || src.Stats().Reconnects != 0 {
		t.Errorf("server process %s, was %s; %d reconnects", got, pid, src.Stats().Reconnects)
	}
}

// TestStandbyNoticesADeadNetwork: one that stands by must not wait for ever
// for an answer to whether the slot is free.
func TestStandbyNoticesADeadNetwork(t *testing.T) {
	t.Parallel()
	direct := pgtest.DB(t, simple)
	p, through := newProxy(t, direct)
	active, _ := start(t, postgres.Options{URL: direct})
	rec := newRecorder()
	standby := run(t, postgres.Options{URL: through, Slot: uniqueSlot(t), Connect: time.Second}, rec)
	standby.awaitState(t, postgres.Standby)
	p.freezeOld()
	_ = active.stop()
	standby.awaitState(t, postgres.Streaming)
	exec(t, direct, `insert into t values (1)`)
	rec.awaitRows(t, 1)
}

// TestOtherHistory leads the same address to another cluster.
func TestOtherHistory(t *testing.T) {
	t.Parallel()
	one, two := pgtest.Cluster(t, throwaway.Options{TCP: true}), pgtest.Cluster(t, throwaway.Options{TCP: true})
	first := pgtest.On(t, one, `create role app superuser login password 'x'`, simple)
	second := pgtest.On(t, two, `create role app superuser login password 'x'`)
	db := query(t, first, "select current_database()")
	// The same database name and publication in the other cluster, whose log
	// is longer, so that the LSNs do not give it away.
	exec(t, second, `create database `+db)
	second = withDatabase(t, second, db)
	exec(t, second, simple, `select pg_switch_wal(), pg_logical_emit_message(false, 'x', repeat('x', 40000000))`)
	p, through := newProxy(t, as(t, first, "app"))
	src, rec := start(t, postgres.Options{URL: through})
	exec(t, first, `insert into t values (1)`)
	rec.awaitRows(t, 1)
	exec(t, second, `select pg_create_logical_replication_slot('`+uniqueSlot(t)+`', 'pgoutput')`, `insert into t values (2)`)
	p.leadTo(t, second)
	p.cut()
	rec.await(t, "a gap", func() bool { return len(rec.gaps) == 1 })
	rec.awaitRows(t, 2)
	rec.mu.Lock()
	g := rec.gaps[0]
	rec.mu.Unlock()
	if g.Since.IsZero() || g.Until.Before(g.Since) || g.Reason == "" {
		t.Errorf("gap %+v", g)
	}
	if err := src.stop(); err != nil {
		t.Error(err)
	}
	exec(t, second, `select pg_drop_replication_slot('`+uniqueSlot(t)+`')`)
}

func TestPoolerIsNamed(t *testing.T) {
	t.Parallel()
	direct := pgtest.DB(t, simple)
	p, through := newProxy(t, direct)
	p.strip.Store(true)
	src := run(t, postgres.Options{URL: through, Slot: uniqueSlot(t)}, newRecorder())
	<-src.done
	var fatal *postgres.FatalError
	if err := src.stop(); !errors.As(err, &fatal) || fatal.Code != "42601" || !strings.Contains(fatal.Hint, "direct address") {
		t.Errorf("got %v", err)
	}
	// A slot that nobody can read must not be left behind.
	if got := query(t, direct, `select count(*)::text from pg_replication_slots where slot_name = $1`, uniqueSlot(t)); got != "0" {
		t.Error("it created a slot that it cannot read")
	}
}

// as returns the address for another role, with the password x.
func as(t testing.TB, address, role string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, "x")
	return u.String()
}

func withDatabase(t testing.TB, address, db string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + db
	return u.String()
}

// TestPausingHandler: a handler may hold the stream back, a second at a time,
// for much longer than any time limit. Neither the server nor a bridge that
// stands by may take that for silence.
func TestPausingHandler(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, simple)
	src, rec := start(t, postgres.Options{URL: url})
	standby := run(t, postgres.Options{URL: url, Slot: uniqueSlot(t), HolderTimeout: 2500 * time.Millisecond}, newRecorder())
	standby.awaitState(t, postgres.Standby)
	const pauses = 20
	pause, calls := 0, 0
	rec.setBefore(func(kind string) error {
		if calls++; pause < pauses && (calls%500 == 0 || kind == "commit") {
			pause++
			time.Sleep(time.Second)
		}
		return nil
	})
	// More than the buffers of both sockets hold, so that the server blocks.
	const n = 40_000
	exec(t, url, `insert into t select i, repeat('x', 500) from generate_series(1, 40000) i`)
	checkIDs(t, rec, n)
	if s := src.Stats(); s.Reconnects != 0 || s.State != postgres.Streaming || s.LastError != nil {
		t.Errorf("%d reconnects, %v, last error %+v", s.Reconnects, s.State, s.LastError)
	}
	if s := standby.Stats(); s.State != postgres.Standby {
		t.Errorf("the one that stands by: %v", s.State)
	}
	if pause != pauses {
		t.Errorf("%d pauses", pause)
	}
}
