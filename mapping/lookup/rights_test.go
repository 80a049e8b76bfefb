package lookup_test

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/mapping"
	"chatbridge/mapping/engine"
	"chatbridge/mapping/lookup"
)

// reader makes a role that may read the columns that the mapping reads, and no
// others, and returns the database's address for it.
func reader(t *testing.T, dsn, role string, s *mapping.Spec) string {
	t.Helper()
	sql := []string{"create role " + role + " login password 'x'", "grant usage on schema public to " + role}
	for _, table := range s.Tables() {
		var columns []string
		for _, c := range table.Columns {
			if !c.Optional { // the table has none
				columns = append(columns, `"`+c.Name+`"`)
			}
		}
		sql = append(sql, "grant select ("+strings.Join(columns, ", ")+`) on "`+table.Name+`" to `+role)
	}
	if err := pgtest.Exec(t.Context(), dsn, sql...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = pgtest.Exec(context.Background(), dsn, "drop owned by "+role, "drop role "+role)
	})
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, "x")
	return u.String()
}

// all asks every kind of question.
func all() engine.Need {
	contact := []engine.ReferenceNeed{{Table: "contact", Keys: of(id("a1"))}}
	return engine.Need{Conversations: of(id("c1")), Newest: of(id("c1")), References: contact, Related: contact, Messages: of(id("b1"))}
}

// A role with the rights that the mapping needs, column by column, finds all.
func TestGrantedColumns(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DB(t, schemas.CRM, rows, "alter table messages add secret text; alter table conversations add secret text; alter table contacts add secret text")
	s := spec(t, "crm", "")
	poor := lookup.NewSQL(pool(t, reader(t, dsn, "lookup_granted", s), nil), s, waitLimit)
	rich := lookup.NewSQL(pool(t, dsn, nil), s, waitLimit)
	columns := []string{"id", "body", "name", "avatar_url"}
	want := fetch(t, rich, s, all(), columns...)
	same(t, fetch(t, poor, s, all(), columns...), want...)
	if !slices.ContainsFunc(want, func(line string) bool { return strings.HasPrefix(line, "newest") }) {
		t.Errorf("no newest message among %q", want)
	}
}

// A column that was taken from the role costs its member, one warning with the
// remedy, and no other answer. A key that was taken fails the question, with the
// remedy, until it is granted again.
func TestDeniedColumns(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DB(t, schemas.CRM, rows)
	s := spec(t, "crm", "")
	l := lookup.NewSQL(pool(t, reader(t, dsn, "lookup_denied", s), nil), s, waitLimit)
	var warned []string
	l.Warn(func(text string) { warned = append(warned, text) })
	exec := func(sql string) {
		t.Helper()
		if err := pgtest.Exec(t.Context(), dsn, sql); err != nil {
			t.Fatal(err)
		}
	}
	need := engine.Need{Conversations: of(id("c2"))}
	same(t, fetch(t, l, s, need, "id", "avatar_url"), "conversation id=c2", "contact id=a2 avatar_url=https://cdn/b")
	if len(warned) > 0 {
		t.Errorf("warned of %q", warned)
	}
	exec("revoke select (avatar_url) on contacts from lookup_denied")
	for range 2 {
		same(t, slices.Compact(fetch(t, l, s, need, "id", "avatar_url")), "conversation id=c2", "contact id=a2 avatar_url=∅")
	}
	if len(warned) != 1 || !strings.Contains(warned[0], "the role lookup_denied may not read avatar_url of public.contacts") {
		t.Fatalf("warned of %q", warned)
	}
	_, remedy, _ := strings.Cut(warned[0], "; ")

	exec("revoke select on contacts from lookup_denied; revoke select (id) on contacts from lookup_denied")
	err := l.Fetch(&need, func(engine.Found) {})
	var denied *lookup.DeniedError
	if !errors.As(err, &denied) || !strings.Contains(denied.Remedy, `ON "public"."contacts" TO "lookup_denied";`) {
		t.Fatalf("got %v", err)
	}
	exec(denied.Remedy)
	exec(remedy)
	for deadline := time.Now().Add(waitLimit); ; time.Sleep(10 * time.Millisecond) { // the pause is a matter of the clock
		if err = l.Fetch(&need, func(engine.Found) {}); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("did not recover:", err)
		}
	}
}

// Try asks every question as the role that it is given.
func TestTry(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DB(t, schemas.CRM, rows)
	s := spec(t, "crm", "")
	l := lookup.NewSQL(pool(t, reader(t, dsn, "lookup_tried", s), nil), s, waitLimit)
	tried, err := l.Try(t.Context())
	if err != nil || tried.Without != "" || tried.Remedy != "" || len(tried.Questions) < 6 {
		t.Fatalf("%+v, %v", tried, err)
	}
	for _, q := range tried.Questions {
		if q.Err != nil {
			t.Errorf("%s: %v", q.What, q.Err)
		}
	}
	if err := pgtest.Exec(t.Context(), dsn, "revoke select (body, id) on messages from lookup_tried"); err != nil {
		t.Fatal(err)
	}
	tried, err = l.Try(t.Context())
	if err != nil || !strings.Contains(tried.Remedy, "GRANT SELECT (") {
		t.Fatalf("%+v, %v", tried, err)
	}
	failed := 0
	for _, q := range tried.Questions {
		var denied *lookup.DeniedError
		if errors.As(q.Err, &denied) {
			failed++
		} else if q.Err != nil {
			t.Errorf("%s: %v", q.What, q.Err)
		}
	}
	if failed == 0 || failed == len(tried.Questions) {
		t.Errorf("%d of %d questions denied", failed, len(tried.Questions))
	}
}
