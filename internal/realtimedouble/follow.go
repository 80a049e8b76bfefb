package realtimedouble

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"chatbridge/internal/retry"
	"chatbridge/internal/sqlquote"
	"chatbridge/source"
	"chatbridge/source/postgres/pgoutput"
)

// follower reads the database's changes from a temporary slot, on one
// connection, by polling, like the real server's ReplicationPoller: what is
// committed while the connection or the slot is gone is lost.
type follower struct {
	s *Server

	mu      sync.Mutex
	cancel  context.CancelFunc
	done    chan struct{}
	up      chan struct{} // closed once the slot was made
	polls   uint64
	polled  *sync.Cond
	running bool
}

func newFollower(s *Server) *follower {
	f := &follower{s: s}
	f.polled = sync.NewCond(&f.mu)
	return f
}

// ready starts the follower, if it does not run yet, and waits for its slot.
func (f *follower) ready(ctx context.Context) error {
	f.mu.Lock()
	if !f.running {
		var run context.Context
		run, f.cancel = context.WithCancel(context.Background())
		f.done, f.up, f.running = make(chan struct{}), make(chan struct{}), true
		go f.run(run, f.up, f.done)
	}
	up := f.up
	f.mu.Unlock()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-up:
		return nil
	}
}

func (f *follower) stop() {
	f.mu.Lock()
	cancel, done, running := f.cancel, f.done, f.running
	f.running = false
	f.mu.Unlock()
	if running {
		cancel()
		<-done
	}
}

// drain waits until a poll that began after the call has ended.
func (f *follower) drain() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for want := f.polls + 2; f.running && f.polls < want; {
		f.polled.Wait()
	}
}

func (f *follower) run(ctx context.Context, up, done chan struct{}) {
	defer close(done)
	defer func() {
		f.mu.Lock()
		f.polled.Broadcast()
		f.mu.Unlock()
	}()
	if retry.Sleep(ctx, f.s.opts.ColdStart) != nil {
		return
	}
	for ctx.Err() == nil {
		_ = f.follow(ctx, &up) // whatever it was, try again, as the real one does
		_ = retry.Sleep(ctx, 50*time.Millisecond)
	}
}

// follow makes a slot and polls it until something fails.
func (f *follower) follow(ctx context.Context, up *chan struct{}) error {
	slot, err := pgx.Connect(ctx, f.s.opts.Database)
	if err != nil {
		return err
	}
	defer func() { _ = slot.Close(context.WithoutCancel(ctx)) }()
	meta, err := pgx.Connect(ctx, f.s.opts.Database)
	if err != nil {
		return err
	}
	defer func() { _ = meta.Close(context.WithoutCancel(ctx)) }()
	if _, err := meta.Exec(ctx, "set timezone to 'UTC'"); err != nil {
		return err
	}
	if _, err := slot.Exec(ctx, "select pg_create_logical_replication_slot($1, 'pgoutput', true)", f.s.opts.Slot); err != nil {
		return err
	}
	if *up != nil {
		close(*up)
		*up = nil
	}
	r := newRenderer(f.s, meta)
	for {
		if err := f.poll(ctx, slot, r); err != nil {
			return err
		}
		f.mu.Lock()
		f.polls++
		f.polled.Broadcast()
		f.mu.Unlock()
		if err := retry.Sleep(ctx, f.s.opts.Poll); err != nil {
			return err
		}
	}
}

func (f *follower) poll(ctx context.Context, slot *pgx.Conn, r *renderer) error {
	rows, err := slot.Query(ctx, `select data from pg_logical_slot_get_binary_changes($1, null, 100,
		'proto_version', '1', 'publication_names', $2)`, f.s.opts.Slot, f.s.opts.Publication)
	if err != nil {
		return err
	}
	messages, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil {
		return err
	}
	r.pending = nil
	var dec pgoutput.Decoder
	for _, m := range messages {
		if err := f.message(ctx, &dec, m, r); err != nil {
			return err
		}
	}
	return nil
}

func (f *follower) message(ctx context.Context, dec *pgoutput.Decoder, data []byte, r *renderer) error {
	m, err := dec.Decode(data)
	if err != nil {
		return err
	}
	switch m := m.(type) {
	case *pgoutput.Begin:
		r.commit = m.CommitTime.Std()
	case *pgoutput.Commit:
		return f.send(ctx, r)
	case *pgoutput.Relation:
		return r.relation(ctx, m)
	case *pgoutput.Insert:
		return f.change(ctx, r, "INSERT", m.RelationID, m.New, nil, pgoutput.OldNone)
	case *pgoutput.Update:
		return f.change(ctx, r, "UPDATE", m.RelationID, m.New, m.Old, m.OldKind)
	case *pgoutput.Delete:
		return f.change(ctx, r, "DELETE", m.RelationID, nil, m.Old, m.OldKind)
	}
	return nil
}

// change takes one change of the transaction that is being read.
func (f *follower) change(ctx context.Context, r *renderer, op string, rel uint32, row, old source.Row, kind pgoutput.Old) error {
	if f.s.script.loses() {
		return nil
	}
	c, err := r.change(ctx, op, rel, row, old, kind)
	if err != nil {
		return err
	}
	r.pending = append(r.pending, c)
	return nil
}

// send sends the transaction's changes to the channels that are subscribed to
// them, all at once, as the real server does.
func (f *follower) send(ctx context.Context, r *renderer) error {
	pending := r.pending
	r.pending = nil
	var targets []*channel
	f.s.each(func(cn *conn) {
		for _, ch := range cn.list() {
			if ch.isSubscribed() {
				targets = append(targets, ch)
			}
		}
	})
	for _, c := range pending {
		for _, ch := range targets {
			if err := r.deliver(ctx, c, ch); err != nil {
				return err
			}
		}
	}
	return nil
}

// refuses returns what the server answers to a subscription that cannot be.
func (f *follower) refuses(ctx context.Context, b *binding, role string) string {
	conn, err := pgx.Connect(ctx, f.s.opts.Database)
	if err != nil {
		return `{:error, "Too many database timeouts"}`
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var tables int
	err = conn.QueryRow(ctx, `select count(*) from pg_publication_tables
		where pubname = $1 and schemaname like $2 and tablename like $3`,
		f.s.opts.Publication, star(b.schema), star(b.table)).Scan(&tables)
	if err != nil {
		return "{:error, " + quote(err.Error()) + "}"
	}
	if tables == 0 {
		return "Unable to subscribe to changes with given parameters. Please check Realtime is enabled for the given connect parameters: " + b.describe()
	}
	failed := func(text string) string {
		return "Unable to subscribe to changes with given parameters. An exception happened so please check your connect parameters: " + b.describe() + ". Exception: " + text
	}
	if _, err := conn.Exec(ctx, "select "+sqlquote.Literal(role)+"::regrole"); err != nil {
		return failed(exception(err))
	}
	for _, flt := range b.filters {
		var typ string
		err := conn.QueryRow(ctx, `select format_type(a.atttypid, a.atttypmod) from pg_attribute a
			join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
			where n.nspname like $1 and c.relname like $2 and a.attname = $3 and a.attnum > 0`,
			star(b.schema), star(b.table), flt.column).Scan(&typ)
		if errors.Is(err, pgx.ErrNoRows) {
			return failed("ERROR P0001 (raise_exception) invalid column for filter " + flt.column)
		}
		if err != nil {
			return failed(exception(err))
		}
		values := []string{flt.value}
		if flt.op == "in" {
			values = strings.Split(flt.value, ",")
		}
		for _, v := range values {
			if _, err := conn.Exec(ctx, "select "+sqlquote.Literal(v)+"::"+typ); err != nil {
				return failed(exception(err))
			}
		}
	}
	return ""
}

// star turns the wildcard of a binding into LIKE's.
func star(s string) string {
	if s == "*" {
		return "%"
	}
	return s
}

// exception prints a Postgres error as Postgrex does.
func exception(err error) string {
	var pe *pgconn.PgError
	if !errors.As(err, &pe) {
		return err.Error()
	}
	name := map[string]string{"42704": "undefined_object", "22P02": "invalid_text_representation", "P0001": "raise_exception"}[pe.Code]
	return fmt.Sprintf("ERROR %s (%s) %s", pe.Code, name, pe.Message)
}
