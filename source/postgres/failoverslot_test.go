package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/source/postgres"
)

// pair is a primary with a streaming standby that copies failover slots, as
// Postgres 17 and later do.
type pair struct {
	primary, standby *throwaway.Cluster
	url, standbyURL  string // of the database of the test
}

// newPair starts both, with simple in a database of its own.
func newPair(t *testing.T, version string) *pair {
	t.Helper()
	template, err := throwaway.NewTemplate(t.Context(), pgtest.Version(t, version))
	if err != nil {
		t.Fatal(err)
	}
	defer template.Remove()
	quiet := map[string]string{"autovacuum": "off"}
	p := &pair{primary: pgtest.Cluster(t, throwaway.Options{Template: template, TCP: true, Settings: quiet})}
	p.url = pgtest.On(t, p.primary, simple)
	t.Cleanup(func() { _ = p.primary.StartAgain(context.WithoutCancel(t.Context())) }) // pgtest drops the database there
	p.standby = pgtest.Standby(t, p.primary, template, quiet)
	p.standbyURL = pgtest.StandbyURL(t, p.standby, p.url)
	return p
}

// synchronise has the standby copy the slot, until it has a copy that lasts. Its
// own worker (sync_replication_slots) does the same in its own time, up to 30 s.
func (p *pair) synchronise(t *testing.T, slot string) {
	t.Helper()
	const there = `select count(*)::text from pg_replication_slots where slot_name = $1 and synced and not temporary and invalidation_reason is null`
	for deadline := time.Now().Add(waitLimit); query(t, p.standbyURL, there, slot) != "1"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not synchronised:", query(t, p.standbyURL, `select json_agg(s)::text from pg_replication_slots s`))
		}
		exec(t, p.url, `select pg_log_standby_snapshot()`) // by which the slot moves on
		exec(t, p.standbyURL, `select pg_sync_replication_slots()`)
	}
}

// awaitThere waits until a query on the standby returns true.
func (p *pair) awaitThere(t *testing.T, sql string) {
	t.Helper()
	for deadline := time.Now().Add(waitLimit); query(t, p.standbyURL, sql) != "true"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("on the standby it does not come to", sql)
		}
	}
}

// cutOff ends replication to the standby, and returns when it has ended.
func (p *pair) cutOff(t *testing.T) {
	t.Helper()
	exec(t, p.standbyURL, `alter system set primary_conninfo = ''`, `select pg_reload_conf()`)
	p.awaitThere(t, `select (count(*) = 0)::text from pg_stat_wal_receiver`)
}

// TestPromotionWithTheSlot: the standby has all that was delivered, and a copy
// of the slot, so the bridge goes on without a gap. The primary had written more
// to its log that the standby has not: nothing that was followed. What the
// application writes next is at places that the bridge had passed on the primary.
func TestPromotionWithTheSlot(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		version string
		promote func(*testing.T, string)
	}{
		"running":       {"18", runningAtPromotion},
		"away":          {"17", awayAtPromotion},
		"started after": {"17", startedAfterPromotion},
		"lacks a row":   {"18", promotionOfTheOneThatLacks},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.promote(t, c.version)
		})
	}
}

// followed is a bridge at the primary of a pair.
type followed struct {
	*pair
	proxy *proxy
	opts  postgres.Options
	src   *running
	rec   *recorder
}

// followPair has a bridge deliver the row 1, which the standby has too, and then
// pass a part of the log that the standby never gets.
func followPair(t *testing.T, version string) *followed {
	t.Helper()
	f := &followed{pair: newPair(t, version)}
	slot := uniqueSlot(t)
	var through string
	f.proxy, through = newProxy(t, f.url)
	f.opts = postgres.Options{URL: through, Slot: slot, Memory: &memory{}, Ping: 50 * time.Millisecond}
	f.src, f.rec = start(t, f.opts)
	f.synchronise(t, slot)
	exec(t, f.url, `insert into t values (1)`)
	f.rec.awaitRows(t, 1)
	f.awaitThere(t, `select (count(*) = 1)::text from t`)
	f.cutOff(t)
	exec(t, f.url, foreign(2))
	written := query(t, f.url, `select pg_current_wal_lsn()::text`)
	f.src.awaitStats(t, "the end of the log", func(s postgres.Stats) bool { return s.Handled.String() >= written })
	return f
}

func (f *followed) promote(t *testing.T) {
	t.Helper()
	f.primary.Kill()
	if promoted := query(t, f.standbyURL, `select pg_promote()::text`); promoted != "true" {
		t.Fatal("not promoted")
	}
}

// runningAtPromotion: the bridge reaches the standby before it is promoted, and
// waits.
func runningAtPromotion(t *testing.T, version string) {
	f := followPair(t, version)
	f.proxy.leadTo(t, f.standbyURL)
	f.primary.Kill()
	f.src.awaitStats(t, "that it is a standby", func(s postgres.Stats) bool {
		return s.State == postgres.Retrying && strings.Contains(s.Reason, "it is a standby")
	})
	f.promote(t)
	for i := range 3 {
		exec(t, f.standbyURL, fmt.Sprintf(`insert into t values (%d)`, i+2))
	}
	checkIDs(t, f.rec, 4)
}

// awayAtPromotion: when the bridge reaches the new primary, its log is past the
// place that the bridge had passed on the old one. What was committed in between
// must not be taken for what was handled.
func awayAtPromotion(t *testing.T, version string) {
	f := followPair(t, version)
	f.proxy.freeze()
	f.proxy.cut()
	f.promote(t)
	exec(t, f.standbyURL, `insert into t values (2)`, `insert into t values (3)`, foreign(4), `insert into t values (4)`)
	f.proxy.leadTo(t, f.standbyURL)
	f.proxy.thaw()
	checkIDs(t, f.rec, 4)
}

// promotionOfTheOneThatLacks: the standby has the slot, and not the last row that
// was delivered. Nothing but that row tells.
func promotionOfTheOneThatLacks(t *testing.T, version string) {
	f := followPair(t, version)
	exec(t, f.url, `insert into t values (2)`)
	f.rec.awaitRows(t, 2)
	lost := f.rec.txs[1][0].tx.Time
	f.proxy.freeze()
	f.proxy.cut()
	f.promote(t)
	exec(t, f.standbyURL, `insert into t values (3)`, foreign(4), `insert into t values (4)`)
	f.proxy.leadTo(t, f.standbyURL)
	f.proxy.thaw()
	f.rec.await(t, "the new history", func() bool {
		ids := f.rec.firstColumns()
		return len(ids) >= 4 && slices.Equal(ids[len(ids)-2:], []string{"3", "4"})
	})
	wantGap(t, f.rec, "another one", lost)
	if !f.rec.gaps[0].Reload {
		t.Error("a row that was delivered is gone, and not said to be")
	}
}

func startedAfterPromotion(t *testing.T, version string) {
	f := followPair(t, version)
	if err := f.src.stop(); err != nil {
		t.Fatal(err)
	}
	f.promote(t)
	exec(t, f.standbyURL, `insert into t values (2)`)
	f.proxy.leadTo(t, f.standbyURL)
	_, rec := start(t, f.opts)
	rec.await(t, "the row 2", func() bool { return slices.Contains(rec.firstColumns(), "2") })
	if len(rec.gaps) > 0 {
		t.Errorf("gaps %+v", rec.gaps)
	}
}

// failoverSlot: the slot is made as one that standbys copy, one that is not is
// altered, and one that is where that is not wanted.
func failoverSlot(t *testing.T, url string) {
	slot := uniqueSlot(t)
	failover := func() string {
		return query(t, url, `select failover::text from pg_replication_slots where slot_name = $1`, slot)
	}
	src, rec := start(t, postgres.Options{URL: url})
	if failover() != "true" || !strings.Contains(src.log.String(), `msg="slot created"`) {
		t.Errorf("created with failover %s", failover())
	}
	exec(t, url, `insert into t values (1)`)
	rec.awaitRows(t, 1)
	for _, c := range []struct {
		opts postgres.Options
		want string
	}{
		{postgres.Options{NoFailover: true, Create: postgres.CreateNothing}, "true"},
		{postgres.Options{NoFailover: true}, "false"},
		{postgres.Options{Create: postgres.CreateNothing}, "false"},
		{postgres.Options{}, "true"},
	} {
		before := failover()
		_ = src.stop()
		c.opts.URL = url
		src, rec = start(t, c.opts)
		if got := failover(); got != c.want || strings.Contains(src.log.String(), `msg="slot altered"`) != (got != before) {
			t.Errorf("failover was %s and is %s, want %s; log:\n%s", before, got, c.want, src.log.String())
		}
	}
	exec(t, url, `insert into t values (2)`)
	rec.awaitRows(t, 1)
	_ = src.stop()
	if rows := rec.rows(); len(rec.gaps) > 0 || !strings.HasPrefix(rows[len(rows)-1], "insert 2") {
		t.Errorf("gaps %v, rows %q", rec.gaps, rows)
	}
}

// failoverRefused: a server of this version that does not make such slots, as a
// managed one may be, gives an ordinary one.
func failoverRefused(t *testing.T, url string) {
	exec(t, url, `set allow_system_table_mods = on;
		alter function pg_catalog.pg_create_logical_replication_slot rename to create_slot;
		create function pg_catalog.pg_create_logical_replication_slot(slot_name name, plugin name) returns record
			language sql as $$ select create_slot($1, $2) $$`)
	src, rec := start(t, postgres.Options{URL: url})
	if !strings.Contains(src.log.String(), "the server makes no slot that standbys copy") {
		t.Error("not said:", src.log.String())
	}
	exec(t, url, `insert into t values (1)`)
	rec.awaitRows(t, 1)
}
