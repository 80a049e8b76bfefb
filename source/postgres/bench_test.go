package postgres_test

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/source"
	"chatbridge/source/postgres"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// fillMessages makes n rows of the CRM's messages, ten to a transaction, in
// one procedure.
const fillMessages = `
do $$ begin for i in 1..%d loop
	insert into messages (conversation_id, workspace_id, body, external_id, sender_jid, status, is_outgoing, created_at)
	select '00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-000000000003', repeat('hello ', 20), gen_random_uuid(),
		'5511999999999@s.whatsapp.net', 'delivered', false, clock_timestamp() from generate_series(1, 10);
	commit;
end loop; end $$`

const fillParents = `
insert into contacts (id, workspace_id, name, phone) values ('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000003', 'A', '1');
insert into conversations (id, contact_id, workspace_id) values ('00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000003')`

// rowCounter counts rows and tells when it has seen enough.
type rowCounter struct {
	rows, want int
	done       chan struct{}
}

func (c *rowCounter) Begin(source.Tx) error { return nil }

func (c *rowCounter) Change(*source.Change) error {
	c.rows++
	if c.rows == c.want {
		close(c.done)
	}
	return nil
}

func (c *rowCounter) Commit(source.Tx) error { return nil }
func (c *rowCounter) Gap(g source.Gap) error { return fmt.Errorf("gap: %s", g.Reason) }

// BenchmarkStream reads a backlog of the CRM's messages, 10 rows to a
// transaction, over loopback TCP: once through the Source, once by a loop that
// looks at no byte. The server is the bottleneck, so both should be alike.
func BenchmarkStream(b *testing.B) {
	const rows = 100_000
	url := pgtest.DB(b, schemas.CRM, fillParents, `create publication bridge for table messages, conversations`,
		`select pg_create_logical_replication_slot('bench', 'pgoutput')`,
		fmt.Sprintf(fillMessages, rows/10))
	report := func(b *testing.B, began time.Time, cpu time.Duration) {
		b.ReportMetric(float64(b.N*rows)/time.Since(began).Seconds(), "rows/s")
		b.ReportMetric(float64((cpuTime()-cpu).Nanoseconds())/float64(b.N*rows), "cpu-ns/row")
		b.ReportMetric(0, "ns/op")
	}
	b.Run("raw", func(b *testing.B) {
		began, cpu := time.Now(), cpuTime()
		for range b.N {
			readRaw(b, url, rows)
		}
		report(b, began, cpu)
	})
	b.Run("source", func(b *testing.B) {
		b.ReportAllocs()
		began, cpu := time.Now(), cpuTime()
		for range b.N {
			// Retained, so that the backlog is there for the next round.
			s, err := postgres.New(postgres.Options{URL: url, Slot: "bench", Retain: 24 * time.Hour})
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(b.Context())
			c := &rowCounter{want: rows, done: make(chan struct{})}
			result := make(chan error, 1)
			go func() { result <- s.Run(ctx, c) }()
			select {
			case <-c.done:
			case err := <-result:
				b.Fatal(err)
			}
			cancel()
			if err := <-result; err != nil {
				b.Fatal(err)
			}
		}
		report(b, began, cpu)
	})
}

// cpuTime is what this process has used of the processors. Unlike the rate it
// does not depend on what else the machine does.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// readRaw receives frames until n inserts have come, and decodes nothing.
func readRaw(b *testing.B, url string, n int) {
	b.Helper()
	ctx := b.Context()
	cfg, err := pgconn.ParseConfig(url)
	if err != nil {
		b.Fatal(err)
	}
	cfg.RuntimeParams["replication"] = "database"
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(ctx)
	conn.Frontend().SendQuery(&pgproto3.Query{String: `START_REPLICATION SLOT "bench" LOGICAL 0/0 (proto_version '1', publication_names '"bridge"')`})
	if err := conn.Frontend().Flush(); err != nil {
		b.Fatal(err)
	}
	for n > 0 {
		msg, err := conn.Frontend().Receive()
		if err != nil {
			b.Fatal(err)
		}
		switch m := msg.(type) {
		case *pgproto3.ErrorResponse:
			b.Fatal(m.Message)
		case *pgproto3.CopyData:
			if len(m.Data) > 25 && m.Data[0] == 'w' && m.Data[25] == 'I' {
				n--
			}
		}
	}
}
