package postgres_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/source/postgres"
)

// TestRetentionDoesNotCostASmallSlot: where the server keeps little for slots,
// the retained time yields long before that is used up.
func TestRetentionDoesNotCostASmallSlot(t *testing.T) {
	t.Parallel()
	c := pgtest.Cluster(t, throwaway.Options{TCP: true, Settings: map[string]string{
		"max_slot_wal_keep_size": "64MB", "wal_keep_size": "0", "min_wal_size": "32MB", "max_wal_size": "64MB",
	}})
	url := pgtest.On(t, c, simple, `create table other (v text)`)
	src, rec := start(t, postgres.Options{URL: url, Retain: time.Minute, Watch: 10 * time.Second, Memory: &memory{}})
	least := int64(1 << 40)
	for i := range 25 {
		exec(t, url, fmt.Sprintf(`insert into t values (%d)`, i+1),
			`insert into other select repeat(md5(i::text), 30) from generate_series(1, 15000) i`)
		safe, err := strconv.ParseInt(query(t, url, `select coalesce(safe_wal_size, -1)::text from pg_replication_slots where slot_name = $1`, uniqueSlot(t)), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		least = min(least, safe)
		time.Sleep(300 * time.Millisecond) // 15 MB each: 40 MB/s
	}
	t.Logf("written %s, at least %d MiB to spare", query(t, url, `select pg_size_pretty(pg_current_wal_lsn() - '0/1500000')`), least>>20)
	checkIDs(t, rec, 25)
	if n := src.Stats().Reconnects; n != 0 {
		t.Errorf("%d reconnects", n)
	}
	if got := query(t, url, `select wal_status from pg_replication_slots where slot_name = $1`, uniqueSlot(t)); got == "lost" {
		t.Error("the slot is lost")
	}
}
