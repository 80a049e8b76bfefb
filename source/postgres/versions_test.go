package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/source/postgres"
)

// TestVersions runs what differs between server versions on more of them:
// their words for a lost slot and a missing publication, a shutdown, and what
// a restart does to the confirmed place. BRIDGE_TEST_PG_VERSIONS chooses.
func TestVersions(t *testing.T) {
	t.Parallel()
	for _, v := range pgtest.Versions(t, "17", "18") {
		t.Run(v, func(t *testing.T) {
			t.Parallel()
			c := pgtest.Cluster(t, throwaway.Options{Bin: pgtest.Version(t, v), TCP: true, Settings: map[string]string{
				"max_slot_wal_keep_size": "16MB", "wal_keep_size": "0", "min_wal_size": "32MB", "max_wal_size": "64MB",
			}})
			t.Run("missing publication", func(t *testing.T) { missingPublication(t, pgtest.On(t, c, simple)) })
			t.Run("lost slot", func(t *testing.T) { lostSlot(t, pgtest.On(t, c, simple)) })
			t.Run("no right", func(t *testing.T) {
				noRight(t, pgtest.On(t, c, simple, `create role nobody_`+v+` login password 'x'`), "nobody_"+v)
			})
			t.Run("memory", func(t *testing.T) {
				url := pgtest.On(t, c, simple)
				since := oneRow(t, postgres.Options{URL: url})
				exec(t, url, `select pg_drop_replication_slot('`+uniqueSlot(t)+`')`)
				_, rec := start(t, postgres.Options{URL: url})
				wantGap(t, rec, "missing", since)
			})
			t.Run("failover slot", func(t *testing.T) {
				if v < "17" {
					t.Skip("standbys copy slots from Postgres 17 on")
				}
				failoverSlot(t, pgtest.On(t, c, simple))
				t.Run("refused", func(t *testing.T) { failoverRefused(t, pgtest.On(t, c, simple)) })
			})
			t.Run("restart", func(t *testing.T) {
				url := pgtest.On(t, c, simple)
				_, rec := start(t, postgres.Options{URL: url, Retain: time.Hour})
				for i, mode := range []string{"fast", "immediate"} {
					exec(t, url, fmt.Sprintf(`insert into t values (%d)`, 2*i+1))
					rec.awaitRows(t, 2*i+1)
					if err := c.Restart(t.Context(), mode); err != nil {
						t.Fatal(err)
					}
					exec(t, url, fmt.Sprintf(`insert into t values (%d)`, 2*i+2))
				}
				checkIDs(t, rec, 4)
			})
		})
	}
}

func noRight(t *testing.T, url, role string) {
	src := run(t, postgres.Options{URL: as(t, url, role), Slot: uniqueSlot(t)}, newRecorder())
	if s := src.awaitState(t, postgres.Blocked); s.LastError.Code != "42501" || s.LastError.Remedy == "" {
		t.Errorf("got %+v", s.LastError)
	}
	exec(t, url, `alter role `+role+` replication`)
	src.awaitState(t, postgres.Streaming)
}

// loseSlot writes and checkpoints until the server gives the slot up.
func loseSlot() []string {
	var lose []string
	for range 4 {
		lose = append(lose, foreign(16), `select pg_switch_wal()`, `checkpoint`)
	}
	return lose
}

// lostSlot has the server give the slot up under a handler that hangs.
func lostSlot(t *testing.T, url string) {
	src, rec := start(t, postgres.Options{URL: url, Watch: time.Hour})
	exec(t, url, `insert into t values (1)`)
	rec.awaitRows(t, 1)
	goOn, hanging := make(chan struct{}), make(chan struct{}, 10)
	rec.setBefore(func(string) error { hanging <- struct{}{}; <-goOn; return nil })
	exec(t, url, `insert into t values (2)`)
	<-hanging
	exec(t, url, loseSlot()...)
	rec.setBefore(nil)
	close(goOn)
	awaitGap(t, rec, "")
	src.awaitState(t, postgres.Streaming)
	exec(t, url, `insert into t values (3)`)
	rec.await(t, "the row after the gap", func() bool {
		ids := rec.firstColumns()
		return len(ids) > 0 && ids[len(ids)-1] == "3"
	})
}
