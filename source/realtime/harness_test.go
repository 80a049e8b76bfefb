package realtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"chatbridge/internal/postgrestdouble"
	"chatbridge/internal/realtimedouble"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/mapping"
	"chatbridge/mapping/contract"
	"chatbridge/mapping/engine"
	"chatbridge/source"
	"chatbridge/source/realtime"
)

// waitLimit is how long anything may take; running out of it is a fault.
const waitLimit = time.Minute

// quick is the protocol's times, scaled so that failures are found soon.
func quick() realtime.Timing {
	ms := time.Millisecond
	return realtime.Timing{
		Heartbeat: 100 * ms, HeartbeatTimeout: 10 * time.Second, Read: 20 * time.Second,
		Handshake: 5 * time.Second, Join: 10 * time.Second, Subscribe: 10 * time.Second, Refused: 300 * ms,
		MinRetry: 20 * ms, MaxRetry: 80 * ms, Stable: 200 * ms,
		Grace: 150 * ms, Cold: 200 * ms, Hold: time.Second, KeyCheck: 50 * ms,
	}
}

// project is a whole Supabase project, as far as the source sees it.
type project struct {
	t    *testing.T
	dsn  string
	db   *pgx.Conn
	rt   *realtimedouble.Server
	rest *postgrestdouble.Server
	log  *logs
	rec  *recorder
	src  *realtime.Source
	stop func() error
}

type setup struct {
	schema string // default: the CRM's
	double realtimedouble.Options
	rest   postgrestdouble.Options
	tables []realtime.Table
	change func(*realtime.Options)
	// before runs on the database before the source starts.
	before func(*project)
}

const workspace = "aaaaaaaa-0000-4000-8000-000000000000"

// start makes a project and a source that follows it.
func start(t *testing.T, s setup) *project {
	t.Helper()
	p := prepare(t, s)
	p.run(s)
	return p
}

func prepare(t *testing.T, s setup) *project {
	t.Helper()
	if s.schema == "" {
		s.schema = schemas.CRM
	}
	p := &project{t: t, dsn: pgtest.DB(t, realtimedouble.Roles, s.schema), log: &logs{t: t}}
	p.rec = newRecorder()
	var err error
	if s.schema == schemas.CRM {
		spec, err := mapping.Load("crm", "")
		if err != nil {
			t.Fatal(err)
		}
		p.rec.mapper, p.rec.client = engine.New(spec, engine.Options{}), map[string]string{}
	}
	if p.db, err = pgx.Connect(t.Context(), p.dsn); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.db.Close(context.WithoutCancel(t.Context())) })
	s.rest.Database, s.rest.Secret = p.dsn, []byte("the project's secret")
	p.rest = postgrestdouble.New(s.rest)
	t.Cleanup(p.rest.Close)
	s.double.Database, s.double.Secret, s.double.Rest = p.dsn, s.rest.Secret, p.rest
	if p.rt, err = realtimedouble.Start(s.double); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.rt.Close)
	if s.schema == schemas.CRM {
		p.sql(`insert into contacts (id, workspace_id, name, phone) values ('cccccccc-0000-4000-8000-000000000000', $1, 'Ana', '5511999999999')`, workspace)
		p.sql(`insert into conversations (id, contact_id, workspace_id, remote_jid, created_at, updated_at)
			values ($1, 'cccccccc-0000-4000-8000-000000000000', $2, '5511999999999@s.whatsapp.net', now() - interval '2 days', now() - interval '2 days')`, conversation, workspace)
	}
	if s.before != nil {
		s.before(p)
	}
	return p
}

const conversation = "bbbbbbbb-0000-4000-8000-000000000000"

// options is what an operator would give, with times scaled.
func (p *project) options(s setup) realtime.Options {
	if s.tables == nil {
		s.tables = []realtime.Table{{Schema: "public", Name: "messages"}, {Schema: "public", Name: "conversations"}}
	}
	o := realtime.Options{
		URL: p.rt.URL(), Key: p.rt.Key(), Tables: s.tables,
		ReconcileInterval: 400 * time.Millisecond, DegradedInterval: 100 * time.Millisecond,
		WindowInterval: 800 * time.Millisecond, RequestRate: 1000,
		Timing: quick(), Logger: slog.New(slog.NewTextHandler(p.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if s.change != nil {
		s.change(&o)
	}
	return o
}

func (p *project) run(s setup) {
	p.t.Helper()
	src, err := realtime.New(p.options(s))
	if err != nil {
		p.t.Fatal(err)
	}
	p.src = src
	ctx, cancel := context.WithCancel(context.WithoutCancel(p.t.Context()))
	done := make(chan error, 1)
	go func() { done <- src.Run(ctx, p.rec) }()
	p.stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(waitLimit):
			return errors.New("Run did not return")
		}
	})
	p.t.Cleanup(func() {
		if err := p.stop(); !errors.Is(err, context.Canceled) {
			p.t.Errorf("Run returned %v", err)
		}
		if p.t.Failed() {
			p.t.Logf("stats: %+v", src.Stats())
			p.log.dump()
		}
	})
}

func (p *project) sql(sql string, args ...any) {
	p.t.Helper()
	if _, err := p.db.Exec(p.t.Context(), sql, args...); err != nil {
		p.t.Fatalf("%s: %v", sql, err)
	}
}

// message inserts one and returns its id.
func (p *project) message(body, status string) string {
	p.t.Helper()
	var id string
	err := p.db.QueryRow(p.t.Context(), `insert into messages (conversation_id, workspace_id, body, status)
		values ($1, $2, $3, $4) returning id::text`, conversation, workspace, body, status).Scan(&id)
	if err != nil {
		p.t.Fatal(err)
	}
	return id
}

func (p *project) status(id, status string) {
	p.t.Helper()
	p.sql("update messages set status = $2 where id = $1", id, status)
}

// awaitState waits until every channel is live, or what else is asked for.
func (p *project) awaitState(want realtime.State) {
	p.t.Helper()
	p.await("state "+string(want), func() bool { return p.src.State() == want })
}

// settled waits until the source is live and no gap is open.
func (p *project) settled() {
	p.t.Helper()
	p.await("source to settle", func() bool {
		s := p.src.Stats()
		return s.State == realtime.StateLive && !s.Reconcile.GapOpen && s.Reconcile.Error == "" && s.Queued == 0
	})
}

// await polls a condition of the source or of the double, which have no
// events to wait for.
func (p *project) await(what string, cond func() bool) {
	p.t.Helper()
	deadline := time.Now().Add(waitLimit)
	for !cond() {
		if time.Now().After(deadline) {
			p.t.Fatalf("waited %s for %s", waitLimit, what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// awaitRow waits until the last published state of the row is as wanted.
func (p *project) awaitRow(table, id, column, want string) {
	p.t.Helper()
	if !p.rec.until(waitLimit, func() bool { return p.rec.rows[table+"/"+id][column] == want }) {
		p.t.Fatalf("%s %s: %s is %q, want %q", table, id, column, p.rec.value(table, id, column), want)
	}
}

// contractStatus is the contract's words for those of the tests.
var contractStatus = map[string]string{"sending": "pending", "sent": "sent", "delivered": "delivered", "read": "read"}

// awaitTruth waits until what was published of a table adds up to what the
// database holds; that is, nothing is lost. Of statuses it also waits until a
// client that followed the events shows the right ones.
func (p *project) awaitTruth(table, column string) {
	p.t.Helper()
	rows, err := p.db.Query(p.t.Context(), fmt.Sprintf("select id::text, coalesce(%s::text, '<null>') from %s", column, table))
	if err != nil {
		p.t.Fatal(err)
	}
	want := map[string]string{}
	var id, value string
	if _, err := pgx.ForEachRow(rows, []any{&id, &value}, func() error { want[id] = value; return nil }); err != nil {
		p.t.Fatal(err)
	}
	inserted := map[string]bool{}
	checked := 0
	missing := func() []string {
		var out []string
		for ; checked < len(p.rec.changes); checked++ {
			if c := p.rec.changes[checked]; c.op == source.Insert {
				inserted[c.table+"/"+c.id] = true
			}
		}
		for id, v := range want {
			if id != conversation && !inserted["public."+table+"/"+id] {
				out = append(out, id+": no insert")
			}
			if seen := p.rec.client[id]; table == "messages" && column == "status" && seen != contractStatus[v] {
				out = append(out, fmt.Sprintf("%s: a client shows %q, want %q", id, seen, contractStatus[v]))
			}
			if got := p.rec.rows["public."+table+"/"+id][column]; got != v {
				out = append(out, fmt.Sprintf("%s: %q, want %q", id, got, v))
			}
		}
		return out
	}
	if !p.rec.until(waitLimit, func() bool { return len(missing()) == 0 }) {
		p.rec.mu.Lock()
		defer p.rec.mu.Unlock()
		lost := missing()
		p.t.Fatalf("%d of %d rows of %s are not as in the database: %s", len(lost), len(want), table, strings.Join(lost[:min(len(lost), 5)], "; "))
	}
}

// recorder is a handler that keeps what it is told.
type recorder struct {
	mu      sync.Mutex
	cond    *sync.Cond
	open    bool
	last    source.Tx
	changes []seen
	rows    map[string]map[string]string // table/id → column → value
	gaps    []source.Gap
	faults  []string
	// mapper and client stand for what comes after: the CRM's client drops a
	// message whose id it has, and a status of a message it has not.
	mapper *engine.Mapper
	client map[string]string // message id → status
	// stall, if set, is waited for in each Change.
	stall chan struct{}
	// fail, if set, is returned by Commit.
	fail error
}

// seen is one change as it was published.
type seen struct {
	tx       source.Tx
	op       source.Op
	table    string
	id       string
	identity source.Identity
	row, old map[string]string
	rel      *source.Relation
}

func newRecorder() *recorder {
	r := &recorder{rows: map[string]map[string]string{}}
	r.cond = sync.NewCond(&r.mu)
	return r
}

func (r *recorder) fault(format string, args ...any) {
	r.faults = append(r.faults, fmt.Sprintf(format, args...))
}

func (r *recorder) Begin(tx source.Tx) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open {
		r.fault("Begin inside a transaction")
	}
	if tx.Commit <= r.last.Commit {
		r.fault("Commit %d after %d", tx.Commit, r.last.Commit)
	}
	if tx.Time.IsZero() || tx.Time.Location() != time.UTC {
		r.fault("time %v", tx.Time)
	}
	r.open, r.last = true, tx
	if r.mapper != nil {
		r.mapper.Begin(tx)
	}
	return nil
}

// emit is the CRM's client.
func (r *recorder) emit(e *contract.Event) error {
	var m struct{ ID, MessageID, Status string }
	if err := json.Unmarshal(e.Payload, &m); err != nil {
		return err
	}
	switch e.Kind.String() {
	case "message":
		if _, known := r.client[m.ID]; !known {
			r.client[m.ID] = m.Status
		}
	case "messageStatus":
		if _, known := r.client[m.MessageID]; known {
			r.client[m.MessageID] = m.Status
		}
	}
	return nil
}

func (r *recorder) Change(c *source.Change) error {
	if r.stall != nil {
		<-r.stall
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.open {
		r.fault("Change outside of a transaction")
	}
	s := seen{
		tx: r.last, op: c.Op, table: c.Relation.Schema + "." + c.Relation.Name, identity: c.Relation.Identity,
		row: values(c.Relation, c.New), old: values(c.Relation, c.Old), rel: c.Relation,
	}
	s.id = s.row["id"]
	if c.Op == source.Delete {
		s.id = s.old["id"]
		delete(r.rows, s.table+"/"+s.id)
	}
	r.changes = append(r.changes, s)
	if r.mapper != nil {
		if err := r.mapper.Change(c, r.emit); err != nil {
			return err
		}
	}
	if c.New != nil {
		key := s.table + "/" + s.id
		if r.rows[key] == nil {
			r.rows[key] = map[string]string{}
		}
		for k, v := range s.row {
			r.rows[key][k] = v
		}
	}
	return nil
}

func (r *recorder) Commit(tx source.Tx) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.open || tx != r.last {
		r.fault("Commit of another transaction")
	}
	r.open = false
	if r.mapper != nil {
		if err := r.mapper.Commit(r.emit); err != nil {
			return err
		}
	}
	r.cond.Broadcast()
	return r.fail
}

func (r *recorder) Gap(g source.Gap) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open {
		r.fault("Gap inside a transaction")
	}
	r.gaps = append(r.gaps, g)
	r.cond.Broadcast()
	return nil
}

// values is a row as text; null is <null>, what is not known is left out.
func values(rel *source.Relation, row source.Row) map[string]string {
	if row == nil {
		return nil
	}
	out := map[string]string{}
	for i, v := range row {
		switch v.Kind {
		case source.Null:
			out[rel.Columns[i].Name] = "<null>"
		case source.Text:
			out[rel.Columns[i].Name] = string(v.Data)
		}
	}
	return out
}

// until waits for a condition that is checked with the lock held, after each
// transaction.
func (r *recorder) until(d time.Duration, cond func() bool) bool {
	late := false
	timer := time.AfterFunc(d, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		late = true
		r.cond.Broadcast()
	})
	defer timer.Stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	for !cond() && !late {
		r.cond.Wait()
	}
	return cond()
}

func (r *recorder) value(table, id, column string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rows[table+"/"+id][column]
}

// of returns the changes of one row so far.
func (r *recorder) of(table, id string) []seen {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.changes), func(s seen) bool { return s.table != table || s.id != id })
}

func (r *recorder) check(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.faults {
		t.Error("handler:", f)
	}
}

// logs keeps the log for a failed test and for tests of the log.
type logs struct {
	t   *testing.T
	mu  sync.Mutex
	buf strings.Builder
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logs) contains(s string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.buf.String(), s)
}

func (l *logs) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), s)
}

func (l *logs) dump() {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.buf.String()
	l.t.Log("log:\n" + s[max(0, len(s)-6000):])
}
