package lookup

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/mapping"

	"github.com/jackc/pgx/v5"
)

// A page takes as many steps into an index as it has messages, however many the
// conversation and the table have.
func TestPageReadsNoMoreThanItself(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, schemas.CRM, `insert into contacts (id, workspace_id, name, phone) select gen_random_uuid(), '00000000-0000-4000-8000-0000000000f1', 'Ana', '5511' `,
		`insert into conversations (workspace_id, contact_id) select workspace_id, id from contacts, generate_series(1, 2)`,
		`insert into messages (conversation_id, workspace_id, body, created_at)
			select c.id, c.workspace_id, 'x', '2026-01-01'::timestamptz + n * interval '1 minute' from conversations c, generate_series(1, 5000) n`, "analyze messages")
	spec, err := mapping.Load("crm", "")
	if err != nil {
		t.Fatal(err)
	}
	pool, err := NewPool(url, PoolOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	past := NewPast(pool, spec)
	if _, _, err := past.Page(t.Context(), "", "", time.Time{}, 1, 1); err != nil {
		t.Fatal(err)
	}
	var conversation string
	if err := pool.QueryRow(t.Context(), "select min(id::text) from conversations").Scan(&conversation); err != nil {
		t.Fatal(err)
	}
	for _, since := range []string{"0001-01-01 00:00:00Z", "2026-01-02 00:00:00Z"} {
		rows, err := pool.Query(t.Context(), "explain (analyze, costs off, timing off, summary off) "+past.texts.page, pgx.QueryExecModeExec,
			conversation, "00000000-0000-4000-8000-0000000000f1", since, since, "50", "1000")
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		plan := strings.Join(lines, "\n")
		scans := regexp.MustCompile(`Index (?:Only )?Scan.* on messages m.*\(actual rows=([0-9.]+)`).FindAllStringSubmatch(plan, -1)
		for _, m := range scans {
			if n, err := strconv.ParseFloat(m[1], 64); err != nil || n > 51 {
				t.Errorf("%s rows are read for a page of 50:\n%s", m[1], plan)
			}
		}
		if len(scans) < 2 || strings.Contains(plan, "Seq Scan on messages") {
			t.Errorf("the index is not used:\n%s", plan)
		}
	}
}
