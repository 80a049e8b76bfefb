package pipeline_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"chatbridge/bridge/hub"
	"chatbridge/bridge/pipeline"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/mapping"
	"chatbridge/mapping/engine"
	"chatbridge/mapping/lookup"
	"chatbridge/socketio"
	"chatbridge/source"
	"chatbridge/source/postgres"
	"chatbridge/source/readback"
	"chatbridge/source/repair"
)

const workspace = "5a1e0000-0000-4000-8000-00000000000a"

// BenchmarkPipeline reads the same WAL twice: with a loop over the raw stream
// that decodes nothing, and through the whole pipeline to the packets that go
// to the sockets. rows/s of the second should be at least 60 % of the first.
func BenchmarkPipeline(b *testing.B) {
	const rows, perTx = 100_000, 10
	dsn := pgtest.DB(b, schemas.CRM, "create publication bridge for table messages, conversations")
	conn, err := pgx.Connect(b.Context(), dsn)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(b.Context()))
	name := conn.Config().Database
	exec := func(sql string, args ...any) {
		b.Helper()
		if _, err := conn.Exec(b.Context(), sql, args...); err != nil {
			b.Fatal(err)
		}
	}
	exec(`with c as (insert into contacts (workspace_id, name, phone) values ($1, 'Ana', '5511987650001') returning id)
		insert into conversations (id, workspace_id, contact_id) select gen_random_uuid(), $1, id from c, generate_series(1, 20)`, workspace)
	exec("select pg_create_logical_replication_slot($1, 'pgoutput')", name)
	exec(fmt.Sprintf(`do $$ begin for i in 1..%d loop
		insert into messages (workspace_id, conversation_id, body, status, is_outgoing, sender_jid, external_id, client_id)
		select workspace_id, id, repeat('x', 200), 'delivered', false, '5511987650001@s.whatsapp.net', gen_random_uuid()::text, gen_random_uuid()::text
		from conversations limit %d; commit; end loop; end $$`, rows/perTx, perTx))

	read := map[string]func(slot string){
		"raw":      func(slot string) { readRaw(b, dsn, slot, rows) },
		"pipeline": func(slot string) { readPipeline(b, dsn, slot, rows, false) },
		// As the daemon does it: what is published is remembered.
		"remembering": func(slot string) { readPipeline(b, dsn, slot, rows, true) },
	}
	for _, kind := range []string{"raw", "pipeline", "remembering"} {
		b.Run(kind, func(b *testing.B) {
			for i := range b.N {
				b.StopTimer()
				slot := fmt.Sprintf("%s_%s_%d", name, kind, i)
				exec("select pg_copy_logical_replication_slot($1, $2)", name, slot)
				b.StartTimer()
				read[kind](slot)
				b.StopTimer()
				for range 100 {
					if _, err = conn.Exec(b.Context(), "select pg_drop_replication_slot($1)", slot); err == nil {
						break
					}
					time.Sleep(20 * time.Millisecond) // until the walsender is gone
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// readRaw counts inserts in the frames and does nothing else.
func readRaw(b *testing.B, dsn, slot string, rows int) {
	b.Helper()
	cfg, err := pgconn.ParseConfig(dsn)
	if err != nil {
		b.Fatal(err)
	}
	cfg.RuntimeParams["replication"] = "database"
	conn, err := pgconn.ConnectConfig(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(b.Context()))
	conn.Frontend().Send(&pgproto3.Query{String: fmt.Sprintf(
		"START_REPLICATION SLOT %s LOGICAL 0/0 (proto_version '1', publication_names 'bridge')", slot)})
	if err := conn.Frontend().Flush(); err != nil {
		b.Fatal(err)
	}
	for n := 0; n < rows; {
		m, err := conn.Frontend().Receive()
		if err != nil {
			b.Fatal(err)
		}
		if d, ok := m.(*pgproto3.CopyData); ok && len(d.Data) > 25 && d.Data[0] == 'w' && d.Data[25] == 'I' {
			n++
		}
	}
}

// counted ends a run when all rows are published.
type counted struct {
	source.Handler
	left int
	done context.CancelFunc
}

func (c *counted) Change(ch *source.Change) error {
	c.left--
	return c.Handler.Change(ch)
}

func (c *counted) Commit(tx source.Tx) error {
	defer func() {
		if c.left <= 0 {
			c.done()
		}
	}()
	return c.Handler.Commit(tx)
}

func readPipeline(b *testing.B, dsn, slot string, rows int, remember bool) {
	b.Helper()
	spec, err := mapping.Load("crm", "")
	if err != nil {
		b.Fatal(err)
	}
	pool, err := lookup.NewPool(dsn, lookup.PoolOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer pool.Close()
	io, err := socketio.New(socketio.DefaultOptions())
	if err != nil {
		b.Fatal(err)
	}
	feeding := hub.New(io.Namespace("/"), hub.DefaultOptions())
	opts := engine.Options{Lookup: lookup.NewSQL(pool, spec, 0)}
	s, err := postgres.New(postgres.Options{URL: dsn, Slot: slot, Create: postgres.CreateNothing})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var next source.Handler = pipeline.New(spec, opts, feeding, slog.New(slog.DiscardHandler))
	if remember {
		reader, err := readback.NewSQL(dsn, 0)
		if err != nil {
			b.Fatal(err)
		}
		r, err := repair.New(repair.Options{Reader: reader, Tables: []readback.Table{
			{Schema: "public", Name: "messages", Key: []string{"id"}}, {Schema: "public", Name: "conversations", Key: []string{"id"}},
		}})
		if err != nil {
			b.Fatal(err)
		}
		next = r.Handler(ctx, next)
	}
	h := &counted{next, rows, cancel}
	if err := s.Run(ctx, h); err != nil {
		b.Fatal(err)
	}
}
