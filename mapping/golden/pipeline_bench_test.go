package golden_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/mapping"
	"chatbridge/mapping/contract"
	"chatbridge/mapping/engine"
	"chatbridge/mapping/internal/pipelinetest"
	"chatbridge/mapping/lookup"
	"chatbridge/socketio"
	"chatbridge/source"
	"chatbridge/source/postgres"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// benchRows is how many rows the WAL has that both readers read.
const benchRows = 50_000

// writeRows makes that WAL: messages of about 500 bytes in 200 conversations,
// ten to a transaction.
const writeRows = `
create function u(n int) returns uuid language sql immutable as $$ select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid $$;
insert into contacts (id, workspace_id, name, phone, avatar_url) select u(n), u(1), 'Contact ' || n, (5511900000000 + n)::text, 'https://cdn/' || n || '.png' from generate_series(1, 200) n;
insert into conversations (id, workspace_id, contact_id, whatsapp_number_id) select u(n), u(1), u(n), u(2) from generate_series(1, 200) n;
create publication bridge for table messages, conversations;
select pg_create_logical_replication_slot('%s', 'pgoutput');
do $$ begin
  for i in 0..%d loop
    insert into messages (conversation_id, workspace_id, whatsapp_number_id, body, type, status, is_outgoing, sender_jid, external_id, created_at)
      select u(1 + (i * 7 + n) %% 200), u(1), u(2), repeat('Bom dia! Tudo certo com o pedido? ', 6), 'text', 'delivered', false,
        '5511987654321@s.whatsapp.net', '3EB0C767D1A2B3C4D5E6' || i || '-' || n, now() from generate_series(0, 9) n;
    commit;
  end loop;
end $$;
`

// BenchmarkPipeline compares two readers of the same WAL: a loop over the raw
// stream that decodes nothing, and the way to two shared Socket.IO frames for
// each row: source, mapper with lookups, packet. The goal is 60 % of the raw
// rate. Each round reads from a copy of one slot.
func BenchmarkPipeline(b *testing.B) {
	url := pgtest.DB(b, schemas.CRM)
	slot := "bench_" + url[strings.LastIndex(url, "/t_")+3:][:12]
	sql := strings.Split(fmt.Sprintf(writeRows, slot, benchRows/10-1), ";\ndo $$")
	create := strings.LastIndex(sql[0], "select pg_create")
	if err := pgtest.Exec(b.Context(), url, sql[0][:create], sql[0][create:], "do $$"+sql[1]); err != nil {
		b.Fatal(err)
	}
	spec, err := mapping.Load("crm", "")
	if err != nil {
		b.Fatal(err)
	}
	pool, err := lookup.NewPool(url, lookup.PoolOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer pool.Close()
	var rawTime, mappedTime time.Duration
	round := 0
	for b.Loop() {
		round++
		for _, way := range []string{"raw", "mapped"} {
			name := fmt.Sprintf("%s_%d_%s", slot, round, way)
			if err := pgtest.Exec(b.Context(), url, fmt.Sprintf("select pg_copy_logical_replication_slot('%s', '%s')", slot, name)); err != nil {
				b.Fatal(err)
			}
			var took time.Duration
			if way == "raw" {
				took, err = readRaw(b.Context(), url, name)
				rawTime += took
			} else {
				took, err = readMapped(b.Context(), url, name, engine.New(spec, engine.Options{Lookup: lookup.NewSQL(pool, spec, pipelinetest.Timeout)}))
				mappedTime += took
			}
			if err != nil {
				b.Fatal(err)
			}
			if err := pgtest.Exec(b.Context(), url, fmt.Sprintf("select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = '%s' and active_pid is not null", name)); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(round*benchRows)/rawTime.Seconds(), "raw-rows/s")
	b.ReportMetric(float64(round*benchRows)/mappedTime.Seconds(), "mapped-rows/s")
	b.ReportMetric(100*rawTime.Seconds()/mappedTime.Seconds(), "%-of-raw")
}

// readRaw reads the stream until all rows have come, and looks at nothing but
// each frame's letter. The time is that from the first row to the last.
func readRaw(ctx context.Context, url, slot string) (time.Duration, error) {
	config, err := pgconn.ParseConfig(url)
	if err != nil {
		return 0, err
	}
	config.RuntimeParams["replication"] = "database"
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	conn.Frontend().SendQuery(&pgproto3.Query{String: fmt.Sprintf(`START_REPLICATION SLOT %s LOGICAL 0/0 (proto_version '1', publication_names '"bridge"')`, slot)})
	if err := conn.Frontend().Flush(); err != nil {
		return 0, err
	}
	var first time.Time
	for rows := 0; rows < benchRows; {
		msg, err := conn.ReceiveMessage(ctx)
		if err != nil {
			return 0, err
		}
		switch msg := msg.(type) {
		case *pgproto3.CopyData:
			if len(msg.Data) > 25 && msg.Data[0] == 'w' && msg.Data[25] == 'I' {
				if rows++; rows == 1 {
					first = time.Now()
				}
			}
		case *pgproto3.ErrorResponse:
			return 0, errors.New(msg.Message)
		}
	}
	return time.Since(first), nil
}

// framer is the handler that the bridge's is like: it makes each event's
// packet, whose bytes all sockets share.
type framer struct {
	mapper *engine.Mapper
	tx     source.Tx
	offset []byte
	rows   int
	bytes  int
	stop   context.CancelFunc

	first time.Time
	took  time.Duration
}

func (f *framer) Begin(tx source.Tx) error {
	f.tx = tx
	f.mapper.Begin(tx)
	return nil
}

func (f *framer) Change(c *source.Change) error {
	if f.rows++; f.rows == 1 {
		f.first = time.Now()
	}
	return f.mapper.Change(c, f.emit)
}

func (f *framer) Commit(source.Tx) error {
	err := f.mapper.Commit(f.emit)
	if f.rows == benchRows {
		f.took = time.Since(f.first)
		f.stop()
	}
	return err
}

func (f *framer) Gap(g source.Gap) error { return errors.New(g.Reason) }

func (f *framer) emit(e *contract.Event) error {
	f.offset = append(f.offset[:0], '"')
	f.offset, _ = source.Position{Commit: f.tx.Commit, Index: e.Index}.AppendText(f.offset)
	f.offset = append(f.offset, '"')
	f.bytes += socketio.NewEvent("/", e.Kind.String(), e.Payload, f.offset).Size()
	return nil
}

func readMapped(ctx context.Context, url, slot string, m *engine.Mapper) (time.Duration, error) {
	src, err := postgres.New(postgres.Options{URL: url, Slot: slot, Create: postgres.CreateNothing})
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f := &framer{mapper: m, stop: cancel}
	if err := src.Run(ctx, f); err != nil {
		return 0, err
	}
	if f.rows != benchRows || m.Stats().Events["message"] != benchRows {
		return 0, fmt.Errorf("%d rows, %v", f.rows, m.Stats().Events)
	}
	return f.took, nil
}
