package lookup_test

import (
	"context"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/mapping/engine"
	"chatbridge/mapping/lookup"
)

// TestPreparedElsewhere: behind a pooler that hands each question to another session, where
// nothing is prepared, or something is already, all is found.
func TestPreparedElsewhere(t *testing.T) {
	t.Parallel()
	url := pgtest.Pooler(t, pgtest.DB(t, schemas.CRM, rows))
	s := spec(t, "crm", "")
	ask := func(l *lookup.Lookup) {
		t.Helper()
		same(t, slices.Compact(fetch(t, l, s, engine.Need{Conversations: of(id("c1"))}, "id")), "conversation id=c1", "contact id=a1")
	}
	l := lookup.NewSQL(pool(t, url, nil), s, waitLimit)
	ask(l)
	ask(l)
	// Another client has the session in which that was prepared.
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.WithoutCancel(t.Context()))
	if _, err := c.Exec(t.Context(), "begin"); err != nil {
		t.Fatal(err)
	}
	ask(l)
	if _, err := c.Exec(t.Context(), "commit"); err != nil {
		t.Fatal(err)
	}
	ask(l)
	// Another bridge comes to it.
	ask(lookup.NewSQL(pool(t, url, nil), s, waitLimit))
	if f := l.Stats(); f.Failures > 0 || f.LastError != nil {
		t.Errorf("%d failures: %v", f.Failures, f.LastError)
	}
}

// TestTypesChange: what is prepared is prepared anew when columns get other types.
func TestTypesChange(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, schemas.CRM, rows)
	s := spec(t, "crm", "")
	l := lookup.NewSQL(pool(t, url, nil), s, waitLimit)
	need := engine.Need{Conversations: of(id("c1"))}
	for _, typ := range []string{"", "varchar(80)", "text", "varchar(70)"} {
		if typ != "" {
			if err := pgtest.Exec(t.Context(), url, "alter table contacts alter column name type "+typ); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			same(t, slices.Compact(fetch(t, l, s, need, "name")), "conversation", "contact name=Ana")
		}
	}
	if f := l.Stats(); f.Failures > 0 {
		t.Errorf("%d failures: %v", f.Failures, f.LastError)
	}
}
