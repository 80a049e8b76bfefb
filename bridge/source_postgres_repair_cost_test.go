package bridge_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
)

// TestCostOfReadingBack: what a gap lost is read back in few questions, and what is
// committed meanwhile comes after it. FAR=full reads 5,000 rows back, and measures.
func TestCostOfReadingBack(t *testing.T) {
	t.Parallel()
	rows := 500
	if os.Getenv("FAR") == "full" {
		rows = 5000
	}
	dsn := pgtest.DB(t, schemas.CRM, withTimes)
	r := startRepair(t, dsn)
	r.await5()
	stayed := r.clientOf(workspace, r.ids[1])
	r.live(2)
	w := &hoursTest{t: t, dsn: dsn, conn: r.conn}
	sent := 0
	latency := func() time.Duration {
		sent++
		body, began := fmt.Sprintf("live %d", sent), time.Now()
		r.exec(insertMessage, workspace, r.ids[1], body)
		stayed.await(body, func(events []event) bool { return bodies(events[max(len(events)-50, 0):])[body] })
		return time.Since(began)
	}
	var before, during []time.Duration
	for range 20 {
		before = append(before, latency())
	}
	active := func() (ms float64) {
		t.Helper()
		if err := r.conn.QueryRow(t.Context(), `select active_time from pg_stat_database where datname = current_database()`).Scan(&ms); err != nil {
			t.Fatal(err)
		}
		return ms
	}
	// What is committed with the end of the publication is in nobody's stream.
	tx, err := r.conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []struct {
		text string
		args []any
	}{
		{"drop publication bridge", nil},
		{`insert into messages (workspace_id, conversation_id, body, status, is_outgoing, sender_jid, created_at, updated_at)
			select $1, $2, 'lost ' || n, 'delivered', false, '5511999999999@s.whatsapp.net', now() + n * interval '1 microsecond', now() from generate_series(1, $3::int) n`, []any{workspace, r.ids[0], rows}},
	} {
		if _, err := tx.Exec(t.Context(), sql.text, sql.args...); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Counters of a connection are seen after a second, or at once if asked for.
	r.exec("select pg_stat_force_next_flush()", pgx.QueryExecModeSimpleProtocol)
	cost, ms, began := w.cost(), active(), time.Now()
	for !r.readBack(1)() {
		during = append(during, latency())
	}
	took := time.Since(began)
	last := fmt.Sprintf("lost %d", rows)
	r.client.await("the last of what was lost", func(events []event) bool { return bodies(events)[last] })
	got := 0
	r.client.mu.Lock()
	for body := range bodies(r.client.events) {
		var n int
		if _, err := fmt.Sscanf(body, "lost %d", &n); err == nil {
			got++
		}
	}
	r.client.mu.Unlock()
	r.exec("select pg_stat_force_next_flush()", pgx.QueryExecModeSimpleProtocol)
	after, spent := w.cost(), active()-ms
	s := r.Snapshot().Repair
	t.Logf("%d rows were read back %v after the gap: %d transactions and %d rows returned, %.0f ms of the database, with the %d messages of the client that stayed; its delays: median %v, longest %v; before: median %v, longest %v",
		s.Rows, took, after.transactions-cost.transactions, after.rows-cost.rows, spent, len(during),
		quantile(during, 0.5), quantile(during, 1), quantile(before, 0.5), quantile(before, 1))
	if got != rows || s.Healed != 1 || s.Rows < uint64(rows) || len(r.gaps()) > 0 {
		t.Errorf("%d rows came, told %v, %+v", got, r.gaps(), s)
	}
	if n := after.transactions - cost.transactions; n > int64(rows/2) {
		t.Errorf("%d transactions for %d rows", n, rows)
	}
}
