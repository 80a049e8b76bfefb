package check

import (
	"context"
	"errors"
	"fmt"

	"chatbridge/bridge/requirements"
	"chatbridge/configs"
	"chatbridge/mapping"
	"chatbridge/source/postgres/dial"
	"chatbridge/source/postgres/provision"

	"github.com/jackc/pgx/v5"
)

// postgres looks at the database that is followed, and holds the mapping
// against its columns.
func (r *run) postgres(ctx context.Context) {
	pg := r.cfg.Source.Postgres
	if r.cfg.Source.Kind != configs.KindPostgres || r.spec == nil {
		return
	}
	conn, finding := connect(ctx, pg.URL, r.cfg)
	if conn == nil {
		r.add(finding)
		return
	}
	defer dial.Close(ctx, conn)
	bounded, cancel := context.WithTimeout(ctx, 3*stepTimeout)
	defer cancel()
	var report provision.Report
	want, err := requirements.Read(bounded, conn, r.cfg, r.spec)
	if err == nil {
		report, err = provision.Inspect(bounded, conn, want)
	}
	r.add(report.Findings...)
	if err != nil {
		r.fail("database.inspect", "source.postgres.url", "the database could not be looked at: "+err.Error(), "what else is wrong is not known", "try again")
		return
	}
	r.add(provision.Replication(bounded, pg.URL.Reveal()))
	r.columns(bounded, conn)
	r.keys(bounded, conn)
}

// connect opens an ordinary connection as the source does, or says why it
// cannot. An address for look-ups may be a pooler's, which takes no parameters.
func connect(ctx context.Context, url configs.DSN, cfg *configs.Config) (*pgx.Conn, Finding) {
	var conn *pgx.Conn
	var err error
	timeout := cfg.Source.Postgres.ConnectTimeout
	if url == cfg.Source.Postgres.URL {
		conn, err = dial.Connect(ctx, url.Reveal(), "chatbridge-check", timeout)
	} else {
		bounded, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		conn, err = pgx.Connect(bounded, url.Reveal())
	}
	if err != nil {
		return nil, provision.Connect(err)
	}
	return conn, Finding{}
}

// columns holds the mapping against the real columns.
func (r *run) columns(ctx context.Context, conn *pgx.Conn) {
	var failed error
	missing, err := r.spec.Check(func(schema, table string) []string {
		columns, err := provision.Columns(ctx, conn, schema, table)
		failed = errors.Join(failed, err)
		return columns
	})
	if failed != nil {
		r.fail("mapping.columns", "", "the tables' columns could not be read: "+failed.Error(), "", "try again")
		return
	}
	if err == nil {
		typeOf, unread := provision.ColumnTypes(ctx, conn)
		err = r.spec.CheckTypes(typeOf)
		if unread() != nil {
			r.fail("mapping.columns", "", "the columns' types could not be read: "+unread().Error(), "", "try again")
			return
		}
	}
	const fix = "correct the mapping (mapping.preset, mapping.file), or add what is missing to the table"
	var wrong *mapping.Error
	if errors.As(err, &wrong) {
		for _, p := range wrong.Problems {
			r.fail("mapping.columns", "", p.String(), "the bridge does not start", fix)
		}
	}
	for _, p := range missing {
		r.warn("mapping.columns", "", p.String(), "events go without it", fix)
	}
	if err == nil && len(missing) == 0 {
		r.ok("mapping.columns", "", "every column that the mapping reads is there")
	}
}

// members looks whether the bridge could ask who belongs to a workspace, where
// it will have to.
func (r *run) members(ctx context.Context) {
	a, m := r.cfg.Auth, r.cfg.Auth.Members
	if len(a.SupabaseSecrets) == 0 && a.JWKSURL == "" {
		return
	}
	url := r.cfg.Lookup.URL
	if url == "" {
		url = r.cfg.Source.Postgres.URL
	}
	if url == "" {
		r.restTable(ctx, "auth.members", m.Table, []string{m.UserColumn, m.WorkspaceColumn})
		return
	}
	conn, finding := connect(ctx, url, r.cfg)
	if conn == nil {
		if url != r.cfg.Source.Postgres.URL || r.cfg.Source.Kind != configs.KindPostgres {
			r.add(finding)
		}
		return
	}
	defer dial.Close(ctx, conn)
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	table, err := provision.ParseTable(m.Table)
	if err != nil {
		r.fail("auth.members", "auth.members.table", err.Error(), "nobody with a session token is let in", "auth.members.table: name or schema.name")
		return
	}
	sql := fmt.Sprintf("select %s, %s from %s limit 0", pgx.Identifier{m.UserColumn}.Sanitize(), pgx.Identifier{m.WorkspaceColumn}.Sanitize(),
		pgx.Identifier{table.Schema, table.Name}.Sanitize())
	if _, err := conn.Exec(ctx, sql); err != nil {
		r.fail("auth.members", m.Table, "members cannot be read: "+err.Error(), "nobody with a session token is let in",
			fmt.Sprintf("auth.members.table, .user_column and .workspace_column as the table has them, or GRANT SELECT (%s, %s) ON %s TO the bridge's role;", m.UserColumn, m.WorkspaceColumn, table))
		return
	}
	r.ok("auth.members", m.Table, "members can be asked for in %s", m.Table)
}
