package postgres_test

import (
	"strings"
	"testing"

	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/source/postgres"
)

// TestAllSlotsAreInUse: it is told at once, with what to do about it, and nothing else
// is told to be waited for; it goes on when a slot is free.
func TestAllSlotsAreInUse(t *testing.T) {
	t.Parallel()
	c := pgtest.Cluster(t, throwaway.Options{TCP: true, Settings: map[string]string{"max_replication_slots": "1"}})
	url := pgtest.On(t, c, simple, `select pg_create_physical_replication_slot('somebody')`)
	src := run(t, postgres.Options{URL: url, Slot: uniqueSlot(t)}, newRecorder())
	f := src.awaitStats(t, "why", func(s postgres.Stats) bool { return s.LastError != nil }).LastError
	if !strings.Contains(f.Text, "all replication slots are in use (1 of 1)") || !strings.Contains(f.Remedy, "max_replication_slots") {
		t.Errorf("%+v", f)
	}
	exec(t, url, `select pg_drop_replication_slot('somebody')`)
	src.awaitState(t, postgres.Streaming)
	if err := src.stop(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(src.log.String(), "creating the slot"); n != 1 {
		t.Errorf("the slot is told to be created %d times:\n%s", n, src.log.String())
	}
}
