//go:build linux

package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"chatbridge/bench/internal/event"
	"chatbridge/bench/internal/load"
	"chatbridge/bench/internal/results"
	"chatbridge/bridge/auth"
)

const (
	lookupWorkspaces = 100
	lookupRate       = 1000 // rows a second, each in a transaction of its own
	lookupMost       = 5000 // conversations, and rows of each pass
	lookupInserters  = 8
)

// populateLookups adds conversations, with an older message each, to workspaces of which
// each has the same number; conversation i is of workspace i modulo their number.
func populateLookups(ctx context.Context, pool *pgxpool.Pool, n int) error {
	_, err := pool.Exec(ctx, fmt.Sprintf(`create extension pg_stat_statements;
		create index on messages (conversation_id, created_at desc);
		with c as (insert into contacts (workspace_id, name, phone)
			select %s, 'Contact ' || i, '55119' || lpad(i::text, 8, '0') from generate_series(0, %d) i returning id, workspace_id, name)
		insert into conversations (id, workspace_id, contact_id) select %s, workspace_id, id
			from (select *, substr(name, 9)::int as i from c) c;
		insert into messages (workspace_id, conversation_id, body, status, is_outgoing, sender_jid, created_at)
			select workspace_id, id, 'older', 'delivered', false, '5511987650001@s.whatsapp.net', now() - interval '1 day' from conversations;
		analyze`, uuidSQL("5a1e0001", fmt.Sprintf("i %% %d", lookupWorkspaces)), n-1, uuidSQL("c0000001", "i")))
	if err != nil {
		return fmt.Errorf("make %d conversations: %w", n, err)
	}
	return nil
}

// uuidSQL is an expression that makes a uuid of a number, as numbered does.
func uuidSQL(begin, number string) string {
	return fmt.Sprintf("('%s-0000-4000-8000-' || lpad((%s)::text, 12, '0'))::uuid", begin, number)
}

func numbered(begin string, i int) string { return fmt.Sprintf("%s-0000-4000-8000-%012d", begin, i) }

// lookups: single rows at a rate, of which each lacks its conversation, its contact and
// its conversation's newest message: once where nothing is known of them, once where the
// pass before has told. One client of each of 100 workspaces.
func (st *stage) lookups(ctx context.Context, name string, n int, r *results.Results) error {
	c, err := st.connectWorkspaces(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	for _, pass := range []string{", cold", ", warm"} {
		inserted := &own{}
		before, err := st.roundTrips(ctx)
		if err != nil {
			return err
		}
		got, err := receive(ctx, c, n/lookupWorkspaces, 1, func() error { return st.insertSingly(ctx, n, inserted) })
		if err != nil {
			return fmt.Errorf("%s: %w", pass[2:], err)
		}
		after, err := st.roundTrips(ctx)
		if err != nil {
			return err
		}
		r.Add(name, "INSERT to socket with 100 workspaces, p50 ms"+pass, ms(got.Latency.Quantile(0.50)))
		r.Add(name, "INSERT to socket with 100 workspaces, p99 ms"+pass, ms(got.Latency.Quantile(0.99)))
		r.Add(name, "of that until the INSERT had returned, p50 ms"+pass, ms(inserted.times.Quantile(0.50)))
		r.Add(name, "round trips of look-ups for an insert"+pass, float64(after-before)/float64(n))
	}
	return nil
}

// connectWorkspaces connects a client of each workspace.
func (st *stage) connectWorkspaces(ctx context.Context) (*load.Group, error) {
	o, err := st.options(lookupWorkspaces)
	if err != nil {
		return nil, err
	}
	now, payloads := time.Now(), make([]string, lookupWorkspaces)
	for i := range payloads {
		token, err := auth.Sign(secret, numbered("5a1e0001", i), "user", "", "", now, 24*time.Hour)
		if err != nil {
			return nil, err
		}
		payloads[i] = `{"token":"` + token + `"}`
	}
	o.Client = func(i int) load.Client { return load.Client{Auth: payloads[i]} }
	return dialLive(ctx, o)
}

// insertSingly inserts a row into each of n conversations, at the rate, stamped with when
// it was due. Nothing tells who wrote it, so its event lacks the contact.
func (st *stage) insertSingly(ctx context.Context, n int, inserted *own) error {
	var next atomic.Int64
	var wait sync.WaitGroup
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	clock := event.Now()
	for range lookupInserters {
		wait.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				due := time.Duration(i) * time.Second / lookupRate
				event.Sleep(clock + uint64(due))
				if _, err := st.pool.Exec(ctx, `insert into messages (workspace_id, conversation_id, body, status, is_outgoing, external_id)
					values ($1, $2, $3, 'delivered', false, '3EB0' || replace(gen_random_uuid()::text, '-', ''))`,
					numbered("5a1e0001", i%lookupWorkspaces), numbered("c0000001", i), body(clock+uint64(due))); err != nil {
					cancel(fmt.Errorf("insert: %w", err))
				}
				inserted.add(time.Duration(event.Now() - clock - uint64(due)))
			}
		})
	}
	wait.Wait()
	return context.Cause(ctx)
}

// own are the times that inserts took by themselves. add is safe for concurrent use.
type own struct {
	mu    sync.Mutex
	times load.Histogram
}

func (o *own) add(d time.Duration) {
	o.mu.Lock()
	o.times.Add(d)
	o.mu.Unlock()
}

// roundTrips is how often the server asked the database for what rows lack. Each question
// of the bridge's begins with its settings; the other one asks by one statement.
func (st *stage) roundTrips(ctx context.Context) (n int64, err error) {
	rows, err := st.pool.Query(ctx, `select coalesce(sum(calls), 0)::bigint from pg_stat_statements s
		join pg_database d on d.oid = s.dbid and d.datname = current_database()
		where query like 'select set_config(name%' or query like 'select c.id as conversation%'`)
	if err != nil {
		return 0, err
	}
	return pgx.CollectOneRow(rows, pgx.RowTo[int64])
}
