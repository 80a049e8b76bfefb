package pipelinetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbridge/internal/jsonscan"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/mapping"
	"chatbridge/mapping/contract"
	"chatbridge/mapping/engine"
	"chatbridge/mapping/lookup"
	"chatbridge/source"
	"chatbridge/source/postgres"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Timeout bounds every wait of a test.
const Timeout = 60 * time.Second

// Pipeline is the whole way from Postgres to events: a database with a slot, the
// replication connection, a mapper with its lookups. Several cases use it, one
// after the other, each with a mapper and tables of its own.
type Pipeline struct {
	// URL is the database's address.
	URL string
	// Lines are the events as JSON lines, Warnings the mapper's warnings. They
	// may be read after Run or Stop.
	Lines, Warnings []string

	pool   *pgxpool.Pool
	cancel context.CancelFunc
	done   chan error
	marks  chan string
	count  int

	mu     sync.Mutex // held while a method of the handler runs
	mapper *engine.Mapper
	marked string

	block int
}

// once is run when a pipeline is made. The publication is never without a table,
// and never dropped: a slot cannot get over that.
const once = `
create schema golden;
create table golden.mark (name text);
create publication bridge for table golden.mark;
create function golden.u(t text) returns uuid language sql immutable as
  $$ select ('00000000-0000-4000-8000-' || lpad(t, 12, '0'))::uuid $$;
`

// New starts a pipeline; Stop ends it.
func New(t testing.TB) (*Pipeline, error) {
	p := &Pipeline{done: make(chan error, 1), marks: make(chan string, 100)}
	p.URL = pgtest.DB(t)
	slot := "golden_" + p.URL[strings.LastIndex(p.URL, "/t_")+3:][:12]
	if err := pgtest.Exec(t.Context(), p.URL, once, "select pg_create_logical_replication_slot('"+slot+"', 'pgoutput')"); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	p.cancel = cancel
	var err error
	if p.pool, err = lookup.NewPool(p.URL, lookup.PoolOptions{}); err != nil {
		return nil, err
	}
	src, err := postgres.New(postgres.Options{URL: p.URL, Slot: slot, Create: postgres.CreateNothing})
	if err != nil {
		return nil, err
	}
	go func() { p.done <- src.Run(ctx, p) }()
	return p, nil
}

// Stop ends the source and closes the lookups' pool.
func (p *Pipeline) Stop() error {
	p.cancel()
	defer p.pool.Close()
	select {
	case err := <-p.done:
		return err
	case <-time.After(Timeout):
		return errors.New("the source did not stop")
	}
}

// Reset empties the database and makes a case's tables and mapper. Nothing is
// under way meanwhile: the last block has been awaited.
func (p *Pipeline) Reset(ctx context.Context, spec *mapping.Spec, lookups bool, setup []string, tables string) (*lookup.Lookup, error) {
	sql := append([]string{"drop schema if exists public, chat cascade; drop publication if exists supabase_realtime; create schema public"}, setup...)
	sql = append(sql, "alter publication bridge add table "+tables)
	for i := 1; i < len(sql)-1; i++ {
		sql[i] = "set search_path = public, golden; " + sql[i]
	}
	if err := pgtest.Exec(ctx, p.URL, sql...); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Lines, p.Warnings = nil, nil
	opts := engine.Options{Warn: func(w engine.Warning) { p.Warnings = append(p.Warnings, w.Reason+" "+w.Table+"\n") }}
	var l *lookup.Lookup
	if lookups {
		l = lookup.NewSQL(p.pool, spec, Timeout)
		opts.Lookup = l
	}
	p.mapper = engine.New(spec, opts)
	return l, nil
}

// Run runs one block as one transaction, and waits until all of it has been
// mapped.
func (p *Pipeline) Run(ctx context.Context, n int, sql string) error {
	p.count++
	mark := fmt.Sprint(p.count)
	// The handler waits meanwhile: look-ups see a transaction for sure once its
	// COMMIT has been answered, and the stream may have it before.
	p.mu.Lock()
	p.block = n
	err := pgtest.Exec(ctx, p.URL, "set search_path = public, golden", sql, "insert into golden.mark values ('"+mark+"')")
	p.mu.Unlock()
	if err != nil {
		return fmt.Errorf("block %d: %w", n, err)
	}
	late := time.NewTimer(Timeout)
	defer late.Stop()
	for {
		select {
		case got := <-p.marks:
			if got == mark {
				return nil
			}
		case err := <-p.done:
			p.done <- err
			return fmt.Errorf("block %d: the source ended: %w", n, err)
		case <-late.C:
			return fmt.Errorf("block %d did not come through", n)
		}
	}
}

// Line is one of Pipeline.Lines.
type Line struct {
	Event        string          `json:"event"`
	Tx           int             `json:"tx"`
	Index        uint32          `json:"index"`
	Workspace    string          `json:"workspace"`
	Conversation string          `json:"conversation"`
	Data         json.RawMessage `json:"data"`
}

// emit takes an event; p.mu is held.
func (p *Pipeline) emit(e *contract.Event) error {
	// The payload goes in as it is: encoding it again would repair it.
	line, err := jsonscan.Marshal(Line{e.Kind.String(), p.block, e.Index, string(e.Workspace), string(e.Conversation), json.RawMessage(`"§"`)})
	if err != nil {
		return err
	}
	p.Lines = append(p.Lines, strings.Replace(string(line)+"\n", `"§"`, string(e.Payload), 1))
	return nil
}

// Begin begins a transaction. It makes Pipeline, with the next three, a
// source.Handler.
func (p *Pipeline) Begin(tx source.Tx) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.marked = ""
	if p.mapper != nil {
		p.mapper.Begin(tx)
	}
	return nil
}

// Change maps a change.
func (p *Pipeline) Change(c *source.Change) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.Relation.Name == "mark" && c.Op == source.Insert {
		p.marked = string(c.New[0].Data)
	}
	if p.mapper == nil {
		return nil
	}
	return p.mapper.Change(c, p.emit)
}

// Commit ends a transaction.
func (p *Pipeline) Commit(source.Tx) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	if p.mapper != nil {
		err = p.mapper.Commit(p.emit)
	}
	if p.marked != "" {
		p.marks <- p.marked
	}
	return err
}

// Gap fails: nothing may be lost here.
func (p *Pipeline) Gap(g source.Gap) error { return fmt.Errorf("a gap: %s", g.Reason) }
