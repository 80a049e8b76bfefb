package bridge

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"chatbridge/bridge/requirements"
	"chatbridge/configs"
	"chatbridge/source/postgres"
	"chatbridge/source/postgres/provision"
)

// A stream can work and bring nothing: a table was taken out of the publication,
// or dropped and created again under its name. So the database is inspected as by
// `bridge check`, before each stream and every source.postgres.watch_interval.

// accepted is what was unusual about the database when the bridge started, and is
// taken as intended: a row filter that was there at the start is accepted, one that
// was added while the bridge ran is a fault.
type accepted struct {
	narrowed map[string]string // as provision.Report.Narrowed
	problems map[string]bool   // the mapping's, by their text
}

// inspect inspects the database for the source, and fixes what it may.
func (s *postgresSource) inspect(ctx context.Context, conn *pgx.Conn) (postgres.Inspection, error) {
	var in postgres.Inspection
	want, err := requirements.Read(ctx, conn, s.cfg, s.spec)
	if err != nil {
		return in, err
	}
	report, err := provision.Inspect(ctx, conn, want)
	if err != nil {
		return in, err
	}
	failed := ""
	if plan := s.fixes(&report); len(plan) > 0 {
		if err := provision.Apply(ctx, conn, plan); err != nil {
			failed = err.Error()
		}
		for _, statement := range plan {
			s.log.Info("fixing what was changed at the database", "sql", statement.SQL, "error", failed)
		}
		if report, err = provision.Inspect(ctx, conn, want); err != nil {
			return in, err
		}
	}
	s.membership.inspected(&report)
	s.noteHeldBack(&report)
	in.Shape = report.Shape(s.reads)
	in.Faults = s.faults(&report)
	return in, nil
}

// noteHeldBack notes whether the server waits for a standby before it sends new
// changes. Nothing is lost by that, so it is no Fault: those are reported as a Gap.
func (s *postgresSource) noteHeldBack(report *provision.Report) {
	f, held := report.Find("slot.standbys", "")
	held = held && f.Level == provision.Fail
	was := s.heldBack.Load()
	if held != (was != nil) {
		now := time.Now()
		s.heldTurned.Store(&now)
	}
	switch {
	case held:
		s.heldBack.Store(&f)
		if was == nil || was.What != f.What {
			s.log.Warn("the server holds changes back from the bridge", "reason", f.What, "remedy", f.Fix)
		}
	case was != nil:
		s.heldBack.Store(nil)
		s.log.Info("the server holds no changes back from the bridge any more")
	}
}

// fixes returns the statements for what is missing that the configuration lets the bridge run.
func (s *postgresSource) fixes(report *provision.Report) []provision.Statement {
	if s.cfg.Source.Postgres.Create == configs.CreateNever {
		return nil
	}
	var plan []provision.Statement
	for _, statement := range provision.Plan(*report) {
		if !statement.Slot && !statement.Offer {
			plan = append(plan, statement)
		}
	}
	for _, table := range s.narrowed(report) {
		plan = append(plan, report.PublishAll(table))
	}
	return plan
}

// narrowed returns the tables whose row filter or column list is not that of the
// start.
func (s *postgresSource) narrowed(report *provision.Report) []string {
	var tables []string
	for table, how := range report.Narrowed() {
		if s.accepted.narrowed[table] != how {
			tables = append(tables, table)
		}
	}
	slices.Sort(tables)
	return tables
}

// reads returns the columns of a table that the mapping reads.
func (s *postgresSource) reads(t provision.Table) []string {
	var names []string
	for _, read := range s.spec.Tables() {
		if read.Schema == t.Schema && read.Name == t.Name {
			for _, c := range read.Columns {
				if !c.Derived() {
					names = append(names, c.Name)
				}
			}
		}
	}
	return names
}

// faults returns what keeps changes from the stream, or the mapper from making events
// of them.
func (s *postgresSource) faults(report *provision.Report) []postgres.Fault {
	var faults []postgres.Fault
	for _, f := range report.Failures() {
		if strings.HasPrefix(f.ID, "publication.") || strings.HasPrefix(f.ID, "table.") {
			faults = append(faults, postgres.Fault{What: f.What, Remedy: f.Fix})
		}
	}
	how := report.Narrowed()
	for _, table := range s.narrowed(report) {
		faults = append(faults, postgres.Fault{
			What:   fmt.Sprintf("the publication leaves out a part of %s since the bridge started: %s", table, how[table]),
			Remedy: report.PublishAll(table).SQL + " -- or, if it is meant, start the bridge again",
		})
	}
	const remedy = "rename the column back (ALTER TABLE ... RENAME COLUMN ... TO ...), or change the mapping (mapping.file) and start the bridge again"
	problems, err := s.spec.Check(report.ColumnsOf)
	if err != nil {
		faults = append(faults, postgres.Fault{What: err.Error(), Remedy: remedy})
	}
	for _, p := range problems {
		if !s.accepted.problems[p.String()] {
			faults = append(faults, postgres.Fault{What: p.String(), Remedy: remedy})
		}
	}
	return faults
}
