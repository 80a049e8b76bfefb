package lookup

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// PoolOptions sets what NewPool leaves open. The zero value of each field
// means its default.
type PoolOptions struct {
	// MaxConns bounds the connections; default 2, because one goroutine asks.
	MaxConns int
	// ConnectTimeout bounds the making of a connection; default 10 s.
	ConnectTimeout time.Duration
	// Password returns the role's password as it is when a connection is made. Nil, or
	// "" from it, for that of the address. Called from several goroutines.
	Password func() string
	// Dial makes connections; nil for the net package's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// NewPool returns a pool for NewSQL. It connects when it is first used; its
// caller closes it. An error is one of the address.
//
// Its sessions start with what decides how values are printed and texts are
// read, whatever the database or the role sets: these four are what poolers
// such as PgBouncer pass on. The rest is set with each question.
func NewPool(dsn string, o PoolOptions) (*pgxpool.Pool, error) {
	c, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("the database's address: %w", err)
	}
	c.MaxConns, c.MinConns = 2, 0
	if o.MaxConns > 0 {
		c.MaxConns = int32(o.MaxConns)
	}
	c.ConnConfig.ConnectTimeout = 10 * time.Second
	if o.ConnectTimeout > 0 {
		c.ConnConfig.ConnectTimeout = o.ConnectTimeout
	}
	if o.Dial != nil {
		c.ConnConfig.DialFunc = o.Dial
	}
	if o.Password != nil {
		c.BeforeConnect = func(_ context.Context, config *pgx.ConnConfig) error {
			if p := o.Password(); p != "" {
				config.Password = p
			}
			return nil
		}
	}
	p := c.ConnConfig.RuntimeParams
	for name, value := range map[string]string{
		"datestyle": "ISO", "timezone": "UTC", "client_encoding": "UTF8", "standard_conforming_strings": "on",
		"application_name": "chatbridge-lookup", // by which the operator finds them in pg_stat_activity
	} {
		p[name] = value
	}
	c.ShouldPing = func(ctx context.Context, p pgxpool.ShouldPingParams) bool {
		return p.IdleDuration > time.Second && ctx.Value(unchecked{}) == nil
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), c)
	if err != nil {
		return nil, fmt.Errorf("the database's address: %w", err)
	}
	return pool, nil
}

// unchecked is of contexts with which a connection of the pool is taken as it is. With
// others one that was idle for a second is asked first whether it is still there: a
// round trip more, for which the stream would wait.
type unchecked struct{}

// settings are what holds for one question: values printed as the stream has
// them, nothing written, and a time limit that holds in the server too. They
// are set for the question's transaction alone, so that they hold behind a
// pooler in transaction mode, and are left to no other session.
const settings = settingsBegin + settingsEnd

// preparedSettings are settings for what is prepared. Plans are generic, made once: it is
// questions for keys that an index finds, whatever their values. What such a plan expects
// of them is no reason to compile it each time.
const preparedSettings = settingsBegin + `, ('plan_cache_mode', 'force_generic_plan'), ('jit', 'off')` + settingsEnd

const settingsEnd = `) s (name, value)`

const settingsBegin = `select set_config(name, value, true) from (values ('datestyle', 'ISO'), ('timezone', 'UTC'), ('intervalstyle', 'postgres'),
	('extra_float_digits', '3'), ('bytea_output', 'hex'), ('client_encoding', $1), ('statement_timeout', $2), ('transaction_read_only', 'on')`

// settingsOf are the parameters of settings for this connection. A database in
// SQL_ASCII has bytes in any encoding, or in none: they are taken as they are,
// because asking for UTF-8 would be an error at the first that is not.
func settingsOf(ctx context.Context, pg *pgconn.PgConn, raw bool) [][]byte {
	encoding := "UTF8"
	if raw || pg.ParameterStatus("server_encoding") == "SQL_ASCII" {
		encoding = "SQL_ASCII"
	}
	limit := int64(0)
	if deadline, ok := ctx.Deadline(); ok {
		limit = max(time.Until(deadline).Milliseconds(), 1)
	}
	return [][]byte{[]byte(encoding), strconv.AppendInt(nil, limit, 10)}
}

// begin starts a batch of what is asked seldom with the settings for this connection.
func begin(ctx context.Context, pg *pgconn.PgConn, raw bool) *pgconn.Batch {
	b := &pgconn.Batch{}
	b.ExecParams(settings, settingsOf(ctx, pg, raw), nil, nil, nil)
	return b
}
