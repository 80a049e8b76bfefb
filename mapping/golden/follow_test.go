package golden_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/mapping"
	"chatbridge/mapping/lookup"
	"chatbridge/source"
	"chatbridge/source/postgres"

	"github.com/jackc/pgx/v5/pgxpool"
)

// patience bounds every wait; none is expected to take it.
const patience = 60 * time.Second

// path is the whole way from Postgres to events: a slot, the replication
// connection, the mapper with its lookups.
type path struct {
	url    string
	mapper *mapping.Mapper
	lookup *lookup.Lookup // nil without lookups
	cancel context.CancelFunc
	done   chan error
	marks  chan string

	mu       sync.Mutex
	block    int
	lines    []string
	warnings []string
	marked   string
}

func follow(t *testing.T, url string, spec *mapping.Spec, look bool) *path {
	t.Helper()
	p := &path{url: url, done: make(chan error, 1), marks: make(chan string, 100)}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	p.cancel = cancel
	opts := mapping.Options{Warn: func(w mapping.Warning) { p.warnings = append(p.warnings, w.Reason+" "+w.Table+"\n") }}
	if look {
		config, err := pgxpool.ParseConfig(url)
		if err != nil {
			t.Fatal(err)
		}
		lookup.Configure(config)
		pool, err := pgxpool.NewWithConfig(ctx, config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		p.lookup = lookup.NewSQL(pool, spec, patience)
		opts.Lookup = p.lookup
	}
	p.mapper = mapping.New(spec, opts)
	slot := "golden_" + url[strings.LastIndex(url, "/t_")+3:][:12]
	if err := pgtest.Exec(ctx, url, "select pg_create_logical_replication_slot('"+slot+"', 'pgoutput')"); err != nil {
		t.Fatal(err)
	}
	src, err := postgres.New(postgres.Options{URL: url, Slot: slot, Create: postgres.CreateNothing})
	if err != nil {
		t.Fatal(err)
	}
	go func() { p.done <- src.Run(ctx, p) }()
	t.Cleanup(func() {
		if p.cancel != nil {
			p.stop(t)
		}
	})
	return p
}

func (p *path) stop(t *testing.T) {
	t.Helper()
	p.cancel()
	p.cancel = nil
	select {
	case err := <-p.done:
		if err != nil {
			t.Error("source:", err)
		}
	case <-time.After(patience):
		t.Fatal("the source did not stop")
	}
	if p.lookup != nil && p.lookup.Stats().LastError != nil {
		t.Error("a lookup failed:", p.lookup.Stats().LastError)
	}
}

// run runs one block as one transaction, and waits until all of it has been
// mapped.
func (p *path) run(t *testing.T, n int, sql string) {
	t.Helper()
	p.mu.Lock()
	p.block = n
	p.mu.Unlock()
	mark := fmt.Sprint(n)
	if err := pgtest.Exec(t.Context(), p.url, sql, "insert into mark values ("+mark+")"); err != nil {
		t.Fatalf("block %d: %v", n, err)
	}
	for {
		select {
		case got := <-p.marks:
			if got == mark {
				return
			}
		case err := <-p.done:
			t.Fatal("the source ended:", err)
		case <-time.After(patience):
			t.Fatalf("block %d did not come through", n)
		}
	}
}

// event is one line of a golden file.
type event struct {
	Event        string          `json:"event"`
	Tx           int             `json:"tx"`
	Index        uint32          `json:"index"`
	Workspace    string          `json:"workspace"`
	Conversation string          `json:"conversation"`
	Data         json.RawMessage `json:"data"`
}

func (p *path) emit(e *mapping.Event) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	// The payload goes in as it is: encoding it again would repair it.
	if err := enc.Encode(event{e.Kind.String(), p.block, e.Index, string(e.Workspace), string(e.Conversation), json.RawMessage(`"§"`)}); err != nil {
		return err
	}
	p.lines = append(p.lines, strings.Replace(b.String(), `"§"`, string(e.Payload), 1))
	return nil
}

// Begin, Change, Commit and Gap make path a source.Handler.
func (p *path) Begin(tx source.Tx) error {
	p.marked = ""
	p.mapper.Begin(tx)
	return nil
}

func (p *path) Change(c *source.Change) error {
	if c.Relation.Name == "mark" && c.Op == source.Insert {
		p.marked = string(c.New[0].Data)
	}
	return p.mapper.Change(c, p.emit)
}

func (p *path) Commit(source.Tx) error {
	err := p.mapper.Commit(p.emit)
	if p.marked != "" {
		p.marks <- p.marked
	}
	return err
}

func (p *path) Gap(g source.Gap) error { return fmt.Errorf("a gap: %s", g.Reason) }
