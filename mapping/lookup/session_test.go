package lookup_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/mapping/engine"
	"chatbridge/mapping/lookup"

	"github.com/jackc/pgx/v5"
)

// Whatever the database and the role set, values come as the stream has them.
func TestSettingsOfTheDatabase(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DB(t, schemas.CRM, rows, `do $$ declare s text; begin
		foreach s in array array['datestyle = German', 'timezone = ''America/Sao_Paulo''', 'client_encoding = LATIN1', 'standard_conforming_strings = off',
			'extra_float_digits = -10', 'intervalstyle = sql_standard', 'bytea_output = escape'] loop
			execute format('alter database %I set %s', current_database(), s);
		end loop; end $$`)
	s := spec(t, "crm", "")
	l := lookup.NewSQL(pool(t, dsn, nil), s, waitLimit)
	same(t, fetch(t, l, s, engine.Need{Conversations: of(id("c1"))}, "updated_at"), "conversation updated_at=2026-01-01 10:00:00.5+00", "contact")
	same(t, fetch(t, l, s, engine.Need{Messages: of(id("b2"))}, "quoted_message", "created_at"), `message created_at=2026-01-02 00:00:00+00 quoted_message={"b": "é"}`)
}

// encoded makes a database in another encoding and returns its address.
func encoded(t *testing.T, encoding string, sql ...string) string {
	t.Helper()
	base := pgtest.DB(t)
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(u.Path, "/") + "_e"
	if err := pgtest.Exec(t.Context(), base, "create database "+pgx.Identifier{name}.Sanitize()+" encoding '"+encoding+"' locale 'C' template template0"); err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	dsn := u.String()
	q := u.Query()
	q.Set("client_encoding", "UTF8")
	u.RawQuery = q.Encode()
	for _, s := range sql {
		if err := pgtest.Exec(t.Context(), u.String(), s); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		_ = pgtest.Exec(t.Context(), base, "drop database "+pgx.Identifier{name}.Sanitize()+" with (force)")
	})
	return dsn
}

// Names come as they are from databases in other encodings; what is not UTF-8,
// or has no form in it, costs no more than its own letters, and is counted.
func TestEncodings(t *testing.T) {
	t.Parallel()
	const tables = `create table conversations (id text primary key, workspace_id text, contact_id text);
		create table messages (id text primary key, workspace_id text, conversation_id text, body text, created_at timestamptz);
		create table contacts (id text primary key, workspace_id text, name text)`
	insert := func(name string) string {
		return `insert into contacts values ('ct', 'w', convert_from(` + name + `, getdatabaseencoding()) );
			insert into conversations values ('Ação', 'w', 'ct')`
	}
	for encoding, c := range map[string]struct {
		name string // bytes in that encoding
		want string
		not  uint64
	}{
		"UTF8":      {`'\x4ac3a3'`, "Jã", 0},
		"LATIN1":    {`'\x4ae3'`, "Jã", 0},
		"WIN1252":   {`'\x4a80'`, "J€", 0},
		"SQL_ASCII": {`'\x4ac3a3'`, "Jã", 0},
		// Latin-1 in a database that does not say what it holds.
		"SQL_ASCII ": {`'\x4ae3'`, "J\xe3", 1},
		// A byte that WIN1252 does not define.
		"WIN1252 ": {`'\x4a81'`, "J\x81", 2},
	} {
		t.Run(encoding, func(t *testing.T) {
			t.Parallel()
			dsn := encoded(t, strings.TrimSpace(encoding), tables, insert(c.name))
			s := spec(t, "crm", "")
			l := lookup.NewSQL(pool(t, dsn, nil), s, waitLimit)
			got := fetch(t, l, s, engine.Need{References: []engine.ReferenceNeed{{Table: "contact", Keys: in("w", "ct")}}}, "name")
			same(t, got, "contact name="+c.want)
			if n := l.Stats().NotUTF8; (n > 0) != (c.not > 0) {
				t.Errorf("%d values counted as no UTF-8", n)
			}
			// A key with letters outside ASCII finds its row.
			if strings.HasSuffix(encoding, " ") {
				return
			}
			if got := fetch(t, l, s, engine.Need{Conversations: in("w", "Ação")}, "contact_id"); !slices.Contains(got, "conversation contact_id=ct") {
				t.Errorf("found %q", got)
			}
		})
	}
}

// A question that takes too long is ended in the server too.
func TestTimeLimitInTheServer(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DB(t, schemas.CRM, rows)
	observer := pool(t, dsn, nil)
	holder, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close(t.Context())
	if _, err := holder.Exec(t.Context(), "begin; lock table contacts in access exclusive mode"); err != nil {
		t.Fatal(err)
	}
	l := lookup.NewSQL(pool(t, dsn, nil), spec(t, "crm", ""), 300*time.Millisecond)
	if err := l.Fetch(&engine.Need{Conversations: of(id("c1"))}, func(engine.Found) {}); err == nil {
		t.Fatal("the lock did not hold")
	}
	for deadline := time.Now().Add(waitLimit); ; time.Sleep(10 * time.Millisecond) {
		var waiting int
		if err := observer.QueryRow(t.Context(), "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'").Scan(&waiting); err != nil {
			t.Fatal(err)
		}
		if waiting == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the server still waits for the lock")
		}
	}
}

// A newest message of 40 MiB is looked up in time, by its beginning, and costs
// nobody else's answer.
func TestHugeValueIsLookedUpByItsBeginning(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DB(t, schemas.CRM, rows, `alter table messages alter body set storage external, alter quoted_message set storage external;
		update messages set body = repeat('é', 20 << 20), quoted_message = to_jsonb(repeat('x', 20 << 20)) where id = u('b2')`)
	s := spec(t, "crm", "")
	l := lookup.NewSQL(pool(t, dsn, nil), s, waitLimit)
	size, found := 0, 0
	err := l.Fetch(&engine.Need{Newest: of(id("c1"), id("c2"))}, func(f engine.Found) {
		found++
		for i, c := range s.Tables()[0].Columns {
			if v := f.Row[i]; f.Newest && len(v.Data) > 100 {
				size = len(v.Data)
				if c.Name != "body" || !strings.HasSuffix(string(v.Data), "é... [shortened]") {
					t.Errorf("%s ends in %q", c.Name, v.Data[len(v.Data)-30:])
				}
			}
		}
	})
	if err != nil || found != 2 || size == 0 || size > engine.DefaultEventBytes {
		t.Errorf("found %d, %d bytes, %v", found, size, err)
	}
}
