package postgres_test

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/source"
	"chatbridge/source/postgres"
	"chatbridge/source/postgres/pgoutput"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// holder reads a slot as a bridge on a machine whose clock is wrong would.
type holder struct {
	silent atomic.Bool
	cut    chan struct{} // closed when the server has ended it
}

func hold(t *testing.T, url string, clock time.Duration) *holder {
	t.Helper()
	return holdAs(t, url, clock, "chatbridge")
}

// holdAs is hold for a program of another name.
func holdAs(t *testing.T, url string, clock time.Duration, application string) *holder {
	t.Helper()
	cfg, err := pgconn.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	cfg.RuntimeParams["replication"], cfg.RuntimeParams["application_name"] = "database", application
	conn, err := pgconn.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	conn.Frontend().SendQuery(&pgproto3.Query{String: `START_REPLICATION SLOT "` + uniqueSlot(t) + `" LOGICAL 0/0 (proto_version '1', publication_names 'bridge')`})
	if err := conn.Frontend().Flush(); err != nil {
		t.Fatal(err)
	}
	if msg, err := conn.ReceiveMessage(t.Context()); err != nil {
		t.Fatal(err)
	} else if _, ok := msg.(*pgproto3.CopyBothResponse); !ok {
		t.Fatalf("%T", msg)
	}
	hijacked, err := conn.Hijack()
	if err != nil {
		t.Fatal(err)
	}
	h := &holder{cut: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(h.cut)
		for {
			if _, err := hijacked.Frontend.Receive(); err != nil {
				return
			}
		}
	})
	wg.Go(func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if h.silent.Load() {
				continue
			}
			update := pgoutput.StatusUpdate{Write: 1, Flush: 1, Apply: 1, Now: pgoutput.TimeOf(time.Now().Add(clock))}
			frame, _ := (&pgproto3.CopyData{Data: update.Append(nil)}).Encode(nil)
			if _, err := hijacked.Conn.Write(frame); err != nil {
				return
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		hijacked.Conn.Close()
		wg.Wait()
	})
	return h
}

// TestHoldersClockDoesNotMatter: a holder whose clock is wrong by minutes is
// left alone while it reports, and ended when it does not.
func TestHoldersClockDoesNotMatter(t *testing.T) {
	t.Parallel()
	for name, clock := range map[string]time.Duration{"behind": -10 * time.Minute, "ahead": 10 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.DB(t, simple)
			exec(t, url, `select pg_create_logical_replication_slot('`+uniqueSlot(t)+`', 'pgoutput')`)
			h := hold(t, url, clock)
			standby := run(t, postgres.Options{URL: url, Slot: uniqueSlot(t), HolderTimeout: 2 * time.Second}, newRecorder())
			standby.awaitState(t, postgres.Standby)
			select {
			case <-h.cut:
				t.Fatal("a holder that reports was ended")
			case <-time.After(5 * time.Second): // more than twice the silence
			}
			if s := standby.Stats(); s.State != postgres.Standby {
				t.Fatalf("state %v", s.State)
			}
			h.silent.Store(true)
			standby.awaitState(t, postgres.Streaming)
			<-h.cut
		})
	}
}

// TestStandbyWithTheLeastRole: a role without pg_read_all_stats is shown nothing of
// the reader's replies, which are no silence then.
func TestStandbyWithTheLeastRole(t *testing.T) {
	t.Parallel()
	admin := pgtest.DB(t, simple)
	role := "standby_" + uniqueSlot(t)
	exec(t, admin, `create role `+role+` login replication password 'x'`, `grant usage on schema public to `+role, `grant select on all tables in schema public to `+role)
	t.Cleanup(func() { _ = pgtest.Exec(context.Background(), admin, "drop owned by "+role, "drop role "+role) })
	u, err := url.Parse(admin)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, "x")
	dsn := u.String()
	exec(t, dsn, `select pg_create_logical_replication_slot('`+uniqueSlot(t)+`', 'pgoutput')`)
	h := hold(t, dsn, 0)
	standby := run(t, postgres.Options{URL: dsn, Slot: uniqueSlot(t), HolderTimeout: time.Second}, newRecorder())
	standby.awaitState(t, postgres.Standby)
	select {
	case <-h.cut:
		t.Fatal("a holder that reports was ended")
	case <-time.After(4 * time.Second): // four times the time-out
	}
}

// rowCounts is a handler that only counts.
type rowCounts struct{ rows, gaps atomic.Int64 }

func (c *rowCounts) Begin(source.Tx) error       { return nil }
func (c *rowCounts) Change(*source.Change) error { c.rows.Add(1); return nil }
func (c *rowCounts) Commit(source.Tx) error      { return nil }
func (c *rowCounts) Gap(source.Gap) error        { c.gaps.Add(1); return nil }

// TestLargeTransactionIsNoSilence: while the server sends a large transaction
// and the network takes it, it reads what a bridge reports only twice in its
// own time-out. That is no silence of the bridge.
func TestLargeTransactionIsNoSilence(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, simple)
	var c rowCounts
	src := run(t, postgres.Options{URL: url, Slot: uniqueSlot(t), ServerTimeout: time.Minute}, &c)
	src.awaitState(t, postgres.Streaming)
	standby := run(t, postgres.Options{URL: url, Slot: uniqueSlot(t), HolderTimeout: time.Second}, newRecorder())
	standby.awaitState(t, postgres.Standby)
	const n = 500_000
	exec(t, url, `insert into t select i, 'x' from generate_series(1, 500000) i`)
	for deadline := time.Now().Add(2 * waitLimit); c.rows.Load() < n; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d rows", c.rows.Load())
		}
	}
	if s := src.Stats(); s.Reconnects != 0 || c.rows.Load() != n {
		t.Errorf("%d rows, %d reconnects, last error %+v", c.rows.Load(), s.Reconnects, s.LastError)
	}
}

// TestForeignReader: a slot that another program reads is no standby: nobody serves, so
// it is a fault with its remedy, until that program ends.
func TestForeignReader(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DB(t, simple)
	exec(t, dsn, `select pg_create_logical_replication_slot('`+uniqueSlot(t)+`', 'pgoutput')`)
	h := holdAs(t, dsn, 0, "debezium")
	src := run(t, postgres.Options{URL: dsn, Slot: uniqueSlot(t), SlowRetry: 200 * time.Millisecond}, newRecorder())
	s := src.awaitState(t, postgres.Blocked)
	if !strings.Contains(s.Reason, "debezium") || s.LastError == nil || !strings.Contains(s.LastError.Remedy, "pg_terminate_backend") {
		t.Errorf("%+v", s)
	}
	exec(t, dsn, `select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = '`+uniqueSlot(t)+`'`)
	<-h.cut
	src.awaitState(t, postgres.Streaming)
}
