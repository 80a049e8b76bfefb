package check

import (
	"context"
	"errors"
	"slices"
	"strings"

	"chatbridge/bridge/requirements"
	"chatbridge/configs"
	"chatbridge/mapping"
	"chatbridge/source/postgres/dial"
	"chatbridge/source/postgres/provision"

	"github.com/jackc/pgx/v5"
)

// postgres inspects the database that is followed, and compares the mapping with
// its columns.
func (r *run) postgres(ctx context.Context) {
	pg := r.cfg.Source.Postgres
	if r.cfg.Source.Kind != configs.KindPostgres || r.spec == nil {
		return
	}
	conn, finding := connect(ctx, "source.postgres.url", pg.URL, r.cfg)
	if conn == nil {
		r.add(finding)
		return
	}
	defer dial.Close(ctx, conn)
	bounded, cancel := context.WithTimeout(ctx, 3*stepTimeout)
	defer cancel()
	if r.fitting(bounded, conn) {
		return
	}
	var report provision.Report
	want, err := requirements.Read(bounded, conn, r.cfg, r.spec)
	want.Check, want.Creates = true, pg.Create == configs.CreateAuto
	if err == nil {
		report, err = provision.Inspect(bounded, conn, want)
	}
	r.add(report.Findings...)
	if err != nil {
		r.fail("database.inspect", "source.postgres.url", "the database could not be looked at: "+err.Error(), "what else is wrong is not known", "try again")
		return
	}
	r.replication(bounded)
	if !r.columns(bounded, conn) {
		r.spec = nil // all other findings about it would follow from that
		return
	}
	r.keys(bounded, conn)
	r.generated(bounded, conn)
}

// connect opens an ordinary connection as the source does, or returns why it
// cannot; setting names the one that has the address. That for lookups may be a pooler's,
// which accepts no parameters.
func connect(ctx context.Context, setting string, url configs.DSN, cfg *configs.Config) (*pgx.Conn, Finding) {
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
		return nil, provision.Connect(setting, err)
	}
	return conn, Finding{}
}

// fitting reports the preset that fits the tables, before all that follows from another.
// It returns true where the bridge does not start with the configured one: what is
// missing of tables that are not there is of no use then, and only server and role are
// reported.
func (r *run) fitting(ctx context.Context, conn *pgx.Conn) bool {
	f, found, err := requirements.Fitting(ctx, conn, r.cfg.Mapping, r.spec)
	if err != nil || !found {
		return false // columns meets and reports the same error
	}
	r.add(f)
	if f.Level != provision.Fail {
		return false
	}
	if want, err := requirements.Read(ctx, conn, r.cfg, r.spec); err == nil {
		report, _ := provision.Inspect(ctx, conn, want)
		for _, f := range report.Findings {
			if strings.HasPrefix(f.ID, "server.") || f.ID == "role.replication" || f.ID == "role.superuser" {
				r.add(f)
			}
		}
	}
	r.replication(ctx)
	r.spec, r.nowhere = nil, f.ID == requirements.NoTables
	return true
}

// replication tries a replication connection; a missing REPLICATION right is reported once.
func (r *run) replication(ctx context.Context) {
	f := provision.Replication(ctx, "source.postgres.url", r.cfg.Source.Postgres.URL.Reveal())
	reported := slices.ContainsFunc(r.findings, func(before Finding) bool { return before.ID == f.ID && before.Level == provision.Fail })
	if f.ID != "role.replication" || !reported {
		r.add(f)
	}
}

// columns compares the mapping with the columns of the tables, and returns whether the
// bridge starts with them.
func (r *run) columns(ctx context.Context, conn *pgx.Conn) bool {
	var failed error
	missing, err := r.spec.Check(func(schema, table string) []string {
		columns, err := provision.Columns(ctx, conn, schema, table)
		failed = errors.Join(failed, err)
		return columns
	})
	if failed != nil {
		r.fail("mapping.columns", "", "the tables' columns could not be read: "+failed.Error(), "", "try again")
		return false
	}
	if err == nil {
		typeOf, unread := provision.ColumnTypes(ctx, conn)
		err = r.spec.CheckTypes(typeOf)
		never := r.spec.CheckConditions(typeOf)
		if unread() != nil {
			r.fail("mapping.columns", "", "the columns' types could not be read: "+unread().Error(), "", "try again")
			return false
		}
		for _, p := range never {
			r.warn("mapping.conditions", "", p.String(), "rows are shown or left out as nobody means it", "correct the condition in mapping.file")
		}
	}
	const fix = requirements.ColumnsFix
	var wrong *mapping.Error
	if errors.As(err, &wrong) {
		for _, p := range wrong.Problems {
			// The mapping's own finding for it has the line number too.
			r.findings = slices.DeleteFunc(r.findings, func(f Finding) bool { return f.ID == "table.missing" && f.Object == p.Table })
			r.fail("mapping.columns", "", p.String(), "the bridge does not start", fix)
		}
	}
	for _, p := range missing {
		r.warn("mapping.columns", "", p.String(), "a bridge that starts sends events without what it feeds; one that ran when the column went is not ready", fix)
	}
	if err == nil && len(missing) == 0 {
		r.ok("mapping.columns", "", "every column that the mapping reads is there")
	}
	return err == nil
}
