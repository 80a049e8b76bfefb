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

// asksThrough asks twice before and after each change of the tables.
func asksThrough(t *testing.T, changes []string, need engine.Need, column string, want ...string) {
	t.Helper()
	url := pgtest.DB(t, schemas.CRM, rows)
	s := spec(t, "crm", "")
	l := lookup.NewSQL(pool(t, url, nil), s, waitLimit)
	for _, change := range append([]string{"select 1"}, changes...) {
		if err := pgtest.Exec(t.Context(), url, change); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			same(t, slices.Compact(fetch(t, l, s, need, column)), want...)
		}
	}
	if f := l.Stats(); f.Failures > 0 {
		t.Errorf("%d failures: %v", f.Failures, f.LastError)
	}
}

// TestTypesChange: what is prepared is prepared anew when columns get other types.
func TestTypesChange(t *testing.T) {
	t.Parallel()
	const alter = "alter table contacts alter column name type "
	asksThrough(t, []string{alter + "varchar(80)", alter + "text", alter + "varchar(70)"},
		engine.Need{Conversations: of(id("c1"))}, "name", "conversation", "contact name=Ana")
}

// TestKeysChangeType: nor do look-ups end when the keys get another type.
func TestKeysChangeType(t *testing.T) {
	t.Parallel()
	asksThrough(t, []string{
		"alter table messages alter column id type text, drop constraint messages_reply_to_id_fkey",
		"alter table messages alter column id type uuid using id::uuid",
	}, engine.Need{Messages: of(id("b1"))}, "id", "message id=b1")
}

// TestAskedAgainIsGivenOnce: rows of a question that was answered before another one
// failed are given once.
func TestAskedAgainIsGivenOnce(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, schemas.Chatwoot, `insert into messages (account_id, inbox_id, conversation_id, message_type) select 1, 1, 1, 0 from generate_series(1, 3);
		insert into attachments (id, message_id, account_id, external_url) values (12, 1, 1, 'b'), (9, 1, 1, 'a')`)
	s := spec(t, "chatwoot", "")
	l := lookup.NewSQL(pool(t, url, nil), s, waitLimit)
	need := engine.Need{Many: []engine.ReferenceNeed{{Table: "file", Keys: in("1", "1")}}, Messages: in("1", "1")}
	for range 2 {
		same(t, fetch(t, l, s, need, "id"), "file id=12", "file id=9", "message id=1")
		if err := pgtest.Exec(t.Context(), url, "alter table messages alter column content type varchar(5000)"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFailuresPrepareNothingForGood: a session does not grow by questions that are refused.
func TestFailuresPrepareNothingForGood(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, schemas.CRM, rows)
	s := spec(t, "crm", "")
	p := pool(t, reader(t, url, "prepared_reader", s), nil)
	l := lookup.NewSQL(p, s, waitLimit)
	need := engine.Need{Conversations: of(id("c1"))}
	if err := l.Fetch(&need, func(engine.Found) {}); err != nil {
		t.Fatal(err)
	}
	if err := pgtest.Exec(t.Context(), url, "revoke select on contacts from prepared_reader; revoke select (id) on contacts from prepared_reader"); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		// A Lookup pauses after a failure; another one over the same connections does not.
		if err := lookup.NewSQL(p, s, waitLimit).Fetch(&need, func(engine.Found) {}); err == nil {
			t.Fatal("it may still read")
		}
	}
	n := 0
	if err := p.QueryRow(t.Context(), "select count(*) from pg_prepared_statements where name like 'chatbridge%'").Scan(&n); err != nil {
		t.Fatal(err)
	}
	if n > 2*len(s.Tables()) {
		t.Errorf("%d statements are prepared", n)
	}
	// Once it may read again, the session has its statements again.
	if err := pgtest.Exec(t.Context(), url, "grant select on contacts to prepared_reader"); err != nil {
		t.Fatal(err)
	}
	l = lookup.NewSQL(p, s, waitLimit)
	for range 3 {
		if err := l.Fetch(&need, func(engine.Found) {}); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.QueryRow(t.Context(), "select max(generic_plans) from pg_prepared_statements where name like 'chatbridge%'").Scan(&n); err != nil {
		t.Fatal(err)
	}
	if n < 3 {
		t.Errorf("what was prepared was used %d times", n)
	}
}
