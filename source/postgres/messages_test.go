package postgres_test

import (
	"slices"
	"strings"
	"testing"

	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/source"
	"chatbridge/source/postgres"
)

// start runs a source on url and waits until it streams.
func start(t testing.TB, opts postgres.Options) (*running, *recorder) {
	t.Helper()
	rec := newRecorder()
	if opts.Slot == "" {
		opts.Slot = uniqueSlot(t)
	}
	src := run(t, opts, rec)
	src.awaitState(t, postgres.Streaming)
	return src, rec
}

// outOfLine is a value that is stored out of line.
const outOfLine = `(select string_agg(md5(i::text), '') from generate_series(1, 300) i)`

func TestUnchangedOutOfLineValues(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t,
		`create table d (id int primary key, s text, b text)`,
		`create table f (id int primary key, s text, b text); alter table f replica identity full`,
		`alter table d alter b set storage external; alter table f alter b set storage external`,
		`create publication bridge for table d, f`)
	src, rec := start(t, postgres.Options{URL: url})
	exec(t, url, `insert into d values (1, 'x', `+outOfLine+`); insert into f values (1, 'x', `+outOfLine+`)`,
		`update d set s = 'y'`, `update f set s = 'y'`, `update d set id = 2`, `delete from d`)
	rec.awaitRows(t, 6)
	want := query(t, url, `select b from f`)
	rec.mu.Lock()
	defer rec.mu.Unlock()
	changes := map[string][]event{}
	for _, tx := range rec.txs {
		for _, e := range tx {
			if e.rel != nil {
				changes[e.rel.Name] = append(changes[e.rel.Name], e)
			}
		}
	}
	d, f := changes["d"], changes["f"]
	if d[0].new[2] != want || f[0].new[2] != want {
		t.Error("the inserted value differs")
	}
	if got := d[1]; !slices.Equal(got.new, []string{"1", "y", "~"}) || got.old != nil {
		t.Errorf("identity default, unchanged: new %.60q old %q", got.new, got.old)
	}
	if got := f[1]; got.new[2] != want || got.old[2] != want || got.new[1] != "y" || got.old[1] != "x" {
		t.Errorf("identity full is not filled from the old row: new %.60q", got.new)
	}
	// A key change sends a key tuple: what is not in it was not sent, which
	// is neither NULL nor a source for the unchanged value.
	if got := d[2]; !slices.Equal(got.new, []string{"2", "y", "~"}) || !slices.Equal(got.old, []string{"1", "-", "-"}) {
		t.Errorf("key change: new %.60q old %q", got.new, got.old)
	}
	if got := d[3]; got.new != nil || !slices.Equal(got.old, []string{"2", "-", "-"}) {
		t.Errorf("delete: new %q old %q", got.new, got.old)
	}
	if n := src.Stats().Unfilled; n != 2 {
		t.Errorf("%d values counted as unfilled, want 2", n)
	}
}

func TestTableChangesInMidStream(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, simple, `create type mood as enum ('sad', 'glad'); create domain word as text`)
	_, rec := start(t, postgres.Options{URL: url})
	exec(t, url,
		`insert into t values (1, 'a')`,
		`insert into t values (2, 'b')`,
		`alter table t add m mood default 'glad', add ms mood[], add w word, add at timestamptz`,
		`insert into t values (3, 'c', 'sad', '{sad,glad}', 'w', '2026-02-05 18:58:02.123456-03')`,
		`alter table t drop column v; alter table t rename w to wort`,
		`begin; insert into t (id) values (4); alter table t add extra int; insert into t (id, extra) values (5, 7); commit`,
		`alter table t replica identity full`, `update t set extra = 8 where id = 5`)
	rec.awaitRows(t, 6)
	rec.mu.Lock()
	defer rec.mu.Unlock()
	var got []event
	for _, tx := range rec.txs {
		for _, e := range tx {
			if e.rel != nil {
				got = append(got, e)
			}
		}
	}
	if got[0].rel != got[1].rel {
		t.Error("the relation is another although nothing changed")
	}
	for i := 2; i < len(got); i++ {
		if got[i].rel == got[i-1].rel {
			t.Errorf("change %d: the table changed and the relation did not", i)
		}
	}
	names := func(r *source.Relation) string {
		var s []string
		for _, c := range r.Columns {
			s = append(s, c.Name+" "+c.Type)
		}
		return strings.Join(s, ", ")
	}
	// For a domain the server gives the type below it.
	if want := "id int4, v text, m mood, ms _mood, w text, at timestamptz"; names(got[2].rel) != want {
		t.Errorf("columns %s, want %s", names(got[2].rel), want)
	}
	if want := []string{"3", "c", "sad", "{sad,glad}", "w", "2026-02-05 21:58:02.123456+00"}; !slices.Equal(got[2].new, want) {
		t.Errorf("row %q, want %q", got[2].new, want)
	}
	if want := "id int4, m mood, ms _mood, wort text, at timestamptz, extra int4"; names(got[4].rel) != want {
		t.Errorf("columns %s, want %s", names(got[4].rel), want)
	}
	if got[4].rel.Identity != source.IdentityDefault || got[5].rel.Identity != source.IdentityFull || len(got[5].old) != 6 {
		t.Errorf("identity %c then %c, old row %q", got[4].rel.Identity, got[5].rel.Identity, got[5].old)
	}
}

// TestFormatsDoNotDependOnTheRole sets defaults that would change the text of
// a time, which apply to replication connections too.
func TestFormatsDoNotDependOnTheRole(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, `create table t (id int primary key, at timestamptz, f float8, i interval, b bytea)`, `create publication bridge for table t`)
	db := query(t, url, "select current_database()")
	exec(t, url, `alter database `+db+` set timezone = 'America/Sao_Paulo'`, `alter database `+db+` set datestyle = 'SQL, DMY'`,
		`alter database `+db+` set intervalstyle = 'iso_8601'`, `alter database `+db+` set extra_float_digits = 0`, `alter database `+db+` set bytea_output = 'escape'`)
	_, rec := start(t, postgres.Options{URL: url})
	exec(t, url, `insert into t values (1, '2026-02-05 15:58:02.1-03', 0.1::float8 + 0.2, '1 day', '\xff')`)
	rec.awaitRows(t, 1)
	if got, want := rec.rows()[0], `insert 1|2026-02-05 18:58:02.1+00|0.30000000000000004|1 day|\xff`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestHandlerErrorEndsRun(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"begin", "change", "commit"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			url := pgtest.DB(t, simple)
			src, rec := start(t, postgres.Options{URL: url})
			rec.setBefore(func(k string) error {
				if k == kind {
					return errHandler
				}
				return nil
			})
			exec(t, url, `insert into t values (1)`)
			<-src.done
			if err := src.stop(); err != errHandler {
				t.Errorf("Run returned %v", err)
			}
			if s := src.Stats(); s.State != postgres.Failed || s.Transactions != 0 {
				t.Errorf("stats %+v", s)
			}
			// What was not handled comes to the next one.
			_, rec = start(t, postgres.Options{URL: url})
			rec.awaitRows(t, 1)
		})
	}
}
