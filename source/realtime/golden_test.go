package realtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/tools/txtar"

	"chatbridge/internal/postgrestdouble"
	"chatbridge/internal/realtimedouble"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/mapping"
	"chatbridge/mapping/contract"
	"chatbridge/mapping/engine"
	"chatbridge/mapping/lookup"
	"chatbridge/source"
	"chatbridge/source/realtime"
)

// differs is the golden cases that cannot come out the same by Realtime, and
// why.
var differs = map[string]string{
	"chatengine/json_columns": "the server turns json into jsonb, which refuses a lone surrogate: the change is lost on the way",
	"crm/key_several":         "the tables have other keys than id, by which this test's source knows rows",
	"evolution/messages":      notSupabase,
	"evolution/deleted_full":  notSupabase,
}

const notSupabase = "Evolution API's tables are never a Supabase project's"

// TestGolden runs the mapping's golden cases with the rows arriving through
// Realtime: the same events must come out, payload for payload.
func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../mapping/golden/testdata/*/*.txt")
	if err != nil || len(files) < 60 {
		t.Fatalf("found %d golden files: %v", len(files), err)
	}
	groups := map[string][]string{}
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		publish := option(a, "publish")
		groups[publish] = append(groups[publish], file)
	}
	type part struct {
		publish string
		files   []string
	}
	var parts []part
	for publish, files := range groups {
		for chunk := range slices.Chunk(files, 25) {
			parts = append(parts, part{publish, chunk})
		}
	}
	for i, part := range parts {
		publish, files := part.publish, part.files
		t.Run(fmt.Sprint("part ", i), func(t *testing.T) {
			t.Parallel()
			p := newGoldenPath(t, publish)
			for _, file := range files {
				name := filepath.Base(filepath.Dir(file)) + "/" + strings.TrimSuffix(filepath.Base(file), ".txt")
				if !t.Run(name, func(t *testing.T) {
					if why := differs[name]; why != "" {
						t.Skip(why)
					}
					p.runCase(t, file)
				}) && p.broken != nil {
					t.Fatal(p.broken)
				}
			}
		})
	}
}

func option(a *txtar.Archive, key string) string {
	for _, line := range strings.Split(string(a.Comment), "\n") {
		if k, v, ok := strings.Cut(line, ": "); ok && k == key {
			return v
		}
	}
	return ""
}

func section(a *txtar.Archive, name string) string {
	for _, f := range a.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

// goldenPath is the way from a database through Realtime to events.
type goldenPath struct {
	dsn     string
	db      *pgx.Conn
	publish string
	src     *realtime.Source
	pool    *pgxpool.Pool
	marks   chan string
	count   int
	broken  error

	mu     sync.Mutex
	mapper *engine.Mapper
	mark   string
	block  int
	lines  []string
}

func newGoldenPath(t *testing.T, publish string) *goldenPath {
	t.Helper()
	p := &goldenPath{publish: publish, marks: make(chan string, 100)}
	tables := []string{"public.messages", "public.conversations"}
	if publish != "" {
		tables = append(tables, strings.Split(publish, ", ")...)
	}
	p.dsn = pgtest.DB(t, realtimedouble.Roles, `
create schema golden;
create table golden.mark (id text primary key);
create publication bridge for table golden.mark;
grant usage on schema golden to service_role;
grant select on golden.mark to service_role;
create function golden.u(t text) returns uuid language sql immutable as
  $$ select ('00000000-0000-4000-8000-' || lpad(t, 12, '0'))::uuid $$;`)
	var err error
	if p.db, err = pgx.Connect(t.Context(), p.dsn); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.db.Close(context.WithoutCancel(t.Context())) })
	p.reset(t, "crm", "", "", []string{"public.messages", "public.conversations"})
	rest := postgrestdouble.New(postgrestdouble.Options{Database: p.dsn, Secret: []byte("s")})
	t.Cleanup(rest.Close)
	rt, err := realtimedouble.Start(realtimedouble.Options{Database: p.dsn, Secret: []byte("s"), Rest: rest, Publication: "bridge", Poll: 2 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(rt.Close)
	timing := quick()
	timing.Refused = 20 * time.Millisecond
	timing.Linger = 5 * time.Second // a loaded machine must not split a transaction
	o := realtime.Options{URL: rt.URL(), Key: rt.Key(), Timing: timing, ReconcileInterval: time.Hour, WindowInterval: time.Hour, DegradedInterval: time.Hour}
	for _, name := range append(tables, "golden.mark") {
		schema, table, _ := strings.Cut(name, ".")
		o.Tables = append(o.Tables, realtime.Table{Schema: schema, Name: table, Key: []string{"id"}})
	}
	src, err := realtime.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if p.pool, err = lookup.NewPool(p.dsn, lookup.PoolOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.pool.Close)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- src.Run(ctx, p) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	p.src = src
	return p
}

// live waits until every channel is subscribed: one whose table was not there
// at the start is tried again until it is.
func (p *goldenPath) live(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(waitLimit)
	for p.src.State() != realtime.StateLive {
		if time.Now().After(deadline) {
			t.Fatalf("not live: %+v", p.src.Stats())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// reset makes the tables of a case anew and publishes them.
func (p *goldenPath) reset(t *testing.T, preset, identity, setup string, tables []string) {
	t.Helper()
	schema := schemas.ChatEngine + `
alter table conversations alter updated_at set default '2026-01-01';
alter table messages alter created_at set default '2026-01-02';`
	if preset == "crm" {
		schema = schemas.CRM + `
alter table conversations disable trigger conversations_updated_at;
alter table contacts disable trigger contacts_updated_at;
alter table conversations alter created_at set default '2026-01-01', alter updated_at set default '2026-01-01';
alter table contacts alter created_at set default '2026-01-01', alter updated_at set default '2026-01-01';
alter table messages alter created_at set default '2026-01-02';`
	}
	if preset == "chatwoot" {
		schema = schemas.Chatwoot
	}
	if identity != "" {
		schema += "alter table messages replica identity " + identity + "; alter table conversations replica identity " + identity + ";"
	}
	if p.publish != "" && p.src != nil {
		tables = append(tables, p.publish)
	}
	p.exec(t,
		"drop schema if exists public, chat cascade; drop publication if exists supabase_realtime; create schema public;"+
			"grant usage on schema public to service_role; alter default privileges in schema public grant all on tables to service_role;",
		"set search_path = public, golden; "+schema, "set search_path = public, golden; "+setup,
		"do $$ begin if to_regnamespace('chat') is not null then grant usage on schema chat to service_role; grant select on all tables in schema chat to service_role; end if; end $$",
		"alter publication bridge add table "+strings.Join(tables, ", "))
}

// exec runs each text, which may hold several statements, as one transaction.
func (p *goldenPath) exec(t *testing.T, sql ...string) {
	t.Helper()
	for _, s := range sql {
		if _, err := p.db.PgConn().Exec(t.Context(), s).ReadAll(); err != nil {
			t.Fatalf("%.60s: %v", s, err)
		}
	}
}

func (p *goldenPath) runCase(t *testing.T, file string) {
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	preset := filepath.Base(filepath.Dir(file))
	spec, err := mapping.Load(preset, "")
	if own := section(a, "mapping.yaml"); own != "" {
		spec, err = mapping.Parse(preset, "mapping.yaml", []byte(own))
	}
	if err != nil {
		t.Fatal(err)
	}
	p.reset(t, preset, option(a, "identity"), section(a, "setup.sql"), []string{"public.messages", "public.conversations"})
	p.live(t)
	p.run(t, 0, "select 1")
	p.mu.Lock()
	p.lines = nil
	opts := engine.Options{}
	if option(a, "lookup") != "none" {
		opts.Lookup = lookup.NewSQL(p.pool, spec, waitLimit)
	}
	p.mapper = engine.New(spec, opts)
	p.mu.Unlock()
	n := 0
	for _, block := range strings.Split(section(a, "test.sql"), "\n\n") {
		if strings.TrimSpace(block) != "" {
			n++
			p.run(t, n, block)
		}
	}
	p.mu.Lock()
	lines := p.lines
	p.mapper, p.lines = nil, nil
	p.mu.Unlock()
	// The source must not know the rows of one case when it meets those of the
	// next, which have the same ids and are there without having been sent.
	p.run(t, 0, forgetRows)
	want, got := withoutPlace(section(a, "events.jsonl")), withoutPlace(strings.Join(lines, ""))
	if got != want {
		t.Errorf("%sevents differ:\n%s", a.Comment, cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")))
	}
}

var conversationIndex = regexp.MustCompile(`("event":"conversation","tx":\d+,"index":)\d+`)

// withoutPlace drops the index of conversation events. Realtime sends no old rows, so
// which row of a transaction is the first that may have changed a preview depends on
// what was read back of the message before.
func withoutPlace(lines string) string { return conversationIndex.ReplaceAllString(lines, "${1}0") }

const forgetRows = `do $$
declare t text;
begin
	foreach t in array array['public.messages', 'public.conversations', 'public.contacts', 'public.attachments', 'chat.msgs', 'chat.chats'] loop
		if to_regclass(t) is not null then
			execute 'delete from ' || t;
		end if;
	end loop;
end $$`

// run runs one block as one transaction and waits until it was mapped.
func (p *goldenPath) run(t *testing.T, n int, sql string) {
	t.Helper()
	p.mu.Lock()
	p.block = n
	p.mu.Unlock()
	p.count++
	mark := fmt.Sprint("mark ", p.count)
	// The second mark ends the wait for more of the first one's transaction.
	p.exec(t, "set search_path = public, golden", sql,
		"insert into golden.mark values ('"+mark+"')", "select pg_sleep(0.002)", "insert into golden.mark values ('"+mark+" end')")
	late := time.After(waitLimit)
	for {
		select {
		case got := <-p.marks:
			if got == mark {
				return
			}
		case <-late:
			p.broken = fmt.Errorf("block %d did not come through", n)
			t.Fatal(p.broken)
		}
	}
}

func (p *goldenPath) Begin(tx source.Tx) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mark = ""
	if p.mapper != nil {
		p.mapper.Begin(tx)
	}
	return nil
}

func (p *goldenPath) Change(c *source.Change) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.Relation.Name == "mark" {
		if c.Op == source.Insert {
			p.mark = string(c.New[slices.IndexFunc(c.Relation.Columns, func(c source.Column) bool { return c.Name == "id" })].Data)
		}
		return nil
	}
	if p.mapper == nil {
		return nil
	}
	return p.mapper.Change(c, p.emit)
}

func (p *goldenPath) Commit(source.Tx) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	if p.mapper != nil {
		err = p.mapper.Commit(p.emit)
	}
	if p.mark != "" {
		p.marks <- p.mark
	}
	return err
}

func (p *goldenPath) Gap(source.Gap) error { return nil }

func (p *goldenPath) emit(e *contract.Event) error {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(struct {
		Event        string          `json:"event"`
		Tx           int             `json:"tx"`
		Index        uint32          `json:"index"`
		Workspace    string          `json:"workspace"`
		Conversation string          `json:"conversation"`
		Data         json.RawMessage `json:"data"`
	}{e.Kind.String(), p.block, e.Index, string(e.Workspace), string(e.Conversation), json.RawMessage(`"§"`)})
	p.lines = append(p.lines, strings.Replace(b.String(), `"§"`, string(e.Payload), 1))
	return err
}
