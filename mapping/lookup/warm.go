package lookup

import (
	"context"
	"time"

	"chatbridge/internal/retry"
	"chatbridge/mapping/engine"

	"github.com/jackc/pgx/v5/pgconn"
)

// warmEvery is after how long without a question one is asked that nobody needs: below
// what firewalls and poolers leave an idle connection.
const warmEvery = 30 * time.Second

// Run keeps a connection ready for the next Fetch until ctx ends, and returns nil: from the
// start, and when nothing was asked for a while. It does nothing for a Lookup of
// NewPostgREST. Call it once.
func (l *Lookup) Run(ctx context.Context) error {
	for {
		if time.Since(time.Unix(0, l.askedAt.Load())) >= warmEvery {
			_ = l.Warm(ctx) // the next Fetch tells
		}
		if retry.Sleep(ctx, warmEvery) != nil {
			return nil
		}
	}
}

// Warm connects unless there is a connection, learns the tables' columns unless they are
// known, and asks every question for no row, so that the server's process has read what
// they need too. A Fetch waits for it, within its own limit.
func (l *Lookup) Warm(ctx context.Context) error {
	s, ok := l.fetcher.(*sqlFetcher)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, l.limit)
	defer cancel()
	if err := l.begin(ctx); err != nil {
		return err
	}
	defer l.end()
	return s.anyConnection(ctx, func(ctx context.Context, pg *pgconn.PgConn, raw bool) error {
		var all []asked
		for _, q := range s.texts.all() {
			all = append(all, asked{query: q})
		}
		if len(all) == 0 {
			return nil
		}
		return s.send(ctx, pg, all, func(engine.Found) {}, raw)
	})
}

// begin waits until nobody else asks.
func (l *Lookup) begin(ctx context.Context) error {
	select {
	case l.asking <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *Lookup) end() {
	l.askedAt.Store(time.Now().UnixNano())
	<-l.asking
}
