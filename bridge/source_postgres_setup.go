package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"chatbridge/bridge/ops"
	"chatbridge/bridge/requirements"
	"chatbridge/configs"
	"chatbridge/internal/retry"
	"chatbridge/mapping"
	"chatbridge/source/postgres"
	"chatbridge/source/postgres/dial"
	"chatbridge/source/postgres/provision"
)

// The pauses between attempts to set the database up: from setupMin to setupMax
// while it cannot be reached, setupRefused while it refuses, as for a wrong
// password.
const (
	setupMin     = 200 * time.Millisecond
	setupMax     = 10 * time.Second
	setupRefused = 30 * time.Second
)

// SetupError is what keeps the bridge from working with this database until
// somebody changes the database or the configuration.
type SetupError struct {
	Findings []provision.Finding
	// Plan is the SQL that creates what is missing, where that would help.
	Plan []provision.Statement
	// Err is why the bridge did not run Plan itself, or what else is wrong; it may be nil.
	Err error
}

// Error lists all that is wrong, each with its fix, and the Plan.
func (e *SetupError) Error() string {
	var b strings.Builder
	b.WriteString("the database is not ready for the bridge")
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	for _, f := range e.Findings {
		fmt.Fprintf(&b, "\n  %s: %s", f.ID, f.What)
		if f.Meaning != "" {
			fmt.Fprintf(&b, "; %s", f.Meaning)
		}
		if f.Fix != "" {
			fmt.Fprintf(&b, "\n    %s", strings.ReplaceAll(f.Fix, "\n", "\n    "))
		}
	}
	if len(e.Plan) > 0 {
		b.WriteString("\nrun this as a role that may, for example in Supabase's SQL editor:\n")
		for _, s := range e.Plan {
			fmt.Fprintf(&b, "\n-- %s; takes %s\n%s\n", s.Why, s.Needs, s.SQL)
		}
	}
	return strings.TrimRight(b.String(), "\n")
}

// Unwrap returns Err.
func (e *SetupError) Unwrap() error { return e.Err }

// ExitCode is 2, that of a wrong configuration.
func (e *SetupError) ExitCode() int { return 2 }

// readOnlyError is a database in which nothing can be created for the time being. The bridge
// waits: the server may be promoted, or somebody else create what is missing.
type readOnlyError struct{ finding provision.Finding }

func (e *readOnlyError) Error() string { return e.finding.What }

// readOnly is the SQLSTATE of a statement in a database that is read-only.
const readOnly = "25006"

// duplicateObject and uniqueViolation are the SQLSTATEs of a statement that creates what
// another transaction has created meanwhile; the latter where that one was still open when the
// statement began.
const (
	duplicateObject = "42710"
	uniqueViolation = "23505"
)

// setUp inspects the database until it is as it must be: it waits for one
// that cannot be reached, creates a missing publication where it may, and
// returns a *SetupError for what only somebody else can fix.
func (s *postgresSource) setUp(ctx context.Context) error {
	defer s.settingUp.Store(nil)
	s.waiting(ops.StateConnecting, "", "")
	pause := retry.Backoff{Min: setupMin, Max: setupMax}
	refused := postgres.Refusals{Min: setupMin, Slow: setupRefused}
	for {
		err := s.setUpOnce(ctx)
		var setup *SetupError
		switch {
		case err == nil, ctx.Err() != nil, errors.As(err, &setup):
			return err
		}
		f := provision.Connect("source.postgres.url", err)
		wait := pause.Next()
		state := ops.StateRetrying
		var pg *pgconn.PgError
		var waits *readOnlyError
		if errors.As(err, &waits) {
			f, state = waits.finding, ops.StateBlocked
		} else if errors.As(err, &pg) && !strings.HasPrefix(pg.Code, "57") && pg.Code != "55P03" {
			wait = refused.Next(pg.Code, time.Now())
			if !strings.HasPrefix(pg.Code, "53") {
				state = ops.StateBlocked
			}
		}
		s.waiting(state, f.What, f.Fix)
		if err := retry.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// waiting sets what Health tells until there is a stream, and logs it if it
// is new.
func (s *postgresSource) waiting(state ops.State, reason, remedy string) {
	before := s.settingUp.Load()
	h := &ops.Health{
		Kind: configs.KindPostgres, State: state, Reason: reason, Remedy: remedy,
		Since: time.Now().UTC(), LagBytes: -1,
	}
	if before != nil && before.State == state {
		h.Since = before.Since
	}
	s.settingUp.Store(h)
	if reason != "" && (before == nil || before.Reason != reason) {
		s.log.Warn("waiting for the database", "reason", reason, "remedy", remedy)
	}
}

// connect opens a connection with the current password; the caller closes it.
func (s *postgresSource) connect(ctx context.Context) (*pgx.Conn, error) {
	c := s.cfg.Source.Postgres
	config, err := dial.Config(c.URL.Reveal(), "chatbridge")
	if err != nil {
		return nil, err
	}
	if p := s.passwords.of(sourceURL)(); p != "" {
		config.Password = p
	}
	ctx, cancel := context.WithTimeout(ctx, c.ConnectTimeout)
	defer cancel()
	return pgx.ConnectConfig(ctx, config)
}

func (s *postgresSource) setUpOnce(ctx context.Context) error {
	c := s.cfg.Source.Postgres
	conn, err := s.connect(ctx)
	if err != nil {
		if f := provision.Connect("source.postgres.url", err); f.ID == "connect.parameter" || f.ID == "connect.pooler" {
			return &SetupError{Findings: []provision.Finding{f}}
		}
		return err
	}
	defer dial.Close(ctx, conn)
	// All queries together have another ConnectTimeout: on a network that drops packets an
	// answer never comes.
	ctx, cancel := context.WithTimeout(ctx, c.ConnectTimeout)
	defer cancel()
	want, err := requirements.Read(ctx, conn, s.cfg, s.spec)
	if err != nil {
		return err
	}
	report, err := provision.Inspect(ctx, conn, want)
	if err != nil {
		return err
	}
	if f, standby := report.Find("server.recovery", ""); standby {
		return &readOnlyError{f}
	}
	// Where create can fix all that is wrong, check the mapping before anything is created.
	if len(s.lasting(report.Failures())) <= len(fixable(report)) {
		if err := s.checkColumns(ctx, conn); err != nil {
			return err
		}
	}
	if report, err = s.create(ctx, conn, want, report); err != nil {
		return err
	}
	if failed := s.lasting(report.Failures()); len(failed) > 0 {
		if f, found := s.fitting(ctx, conn); found {
			failed = []provision.Finding{f}
		}
		return &SetupError{Findings: failed}
	}
	s.accepted.narrowed = report.Narrowed()
	s.acceptOffers(ctx, conn, report)
	return nil
}

// offerTimeout bounds acceptOffers, which the bridge works without.
const offerTimeout = 2 * time.Second

// acceptOffers adds to the publication the tables that the bridge can work without, where
// the configuration and the role allow it. It stops at the first failure, after which conn
// may be unusable.
func (s *postgresSource) acceptOffers(ctx context.Context, conn *pgx.Conn, report provision.Report) {
	if s.cfg.Source.Postgres.Create == configs.CreateNever {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, offerTimeout)
	defer cancel()
	for _, statement := range provision.Plan(report) {
		if !statement.Offer {
			continue
		}
		if err := provision.Apply(ctx, conn, []provision.Statement{statement}); err != nil {
			s.log.Info("a table could not be published; the bridge works without", "sql", statement.SQL, "why", statement.Why, "error", err)
			return
		}
		s.log.Info("created what the database lacked", "sql", statement.SQL)
	}
}

// create creates the publication, or adds to it what is missing, where the
// configuration and the role allow it.
func (s *postgresSource) create(ctx context.Context, conn *pgx.Conn, want provision.Want, report provision.Report) (provision.Report, error) {
	plan := provision.Plan(report)
	var mine []provision.Statement
	for _, statement := range plan {
		if !statement.Slot && !statement.Offer {
			mine = append(mine, statement)
		}
	}
	if len(mine) == 0 || len(s.lasting(report.Failures())) > len(fixable(report)) {
		return report, nil
	}
	if s.cfg.Source.Postgres.Create == configs.CreateNever {
		return report, &SetupError{Plan: plan, Err: errors.New("source.postgres.create is never, and something is missing")}
	}
	if err := provision.Apply(ctx, conn, mine); err != nil {
		var refused *pgconn.PgError
		var failed *provision.ApplyError
		switch {
		case !errors.As(err, &refused) || !errors.As(err, &failed):
		case refused.Code == "42501":
			return report, &SetupError{Plan: plan, Err: err}
		case refused.Code == readOnly:
			return report, &readOnlyError{provision.ReadOnly(failed.Statement)}
		case refused.Code == duplicateObject || refused.Code == uniqueViolation:
			// Another bridge that starts at the same moment has done it.
			if now, e := provision.Inspect(ctx, conn, want); e == nil && len(fixable(now)) == 0 {
				return now, nil
			}
		}
		return report, err
	}
	for _, statement := range mine {
		s.log.Info("created what the database lacked", "sql", statement.SQL)
	}
	return provision.Inspect(ctx, conn, want)
}

// fixable returns the failures that the plan would resolve.
func fixable(report provision.Report) []provision.Finding {
	var m []provision.Finding
	for _, f := range report.Failures() {
		switch f.ID {
		case "publication.missing", "publication.tables", "publication.operations":
			m = append(m, f)
		}
	}
	return m
}

// lasting drops the failures that end by themselves or that the bridge handles:
// another bridge has the slot, the slot is missing or lost, the server has no free
// slot or WAL sender, or a table of references, such as contacts, may not be read. In
// the last case events lack names; the look-ups report that with its remedy, and
// correct the events later.
func (s *postgresSource) lasting(failures []provision.Finding) []provision.Finding {
	var l []provision.Finding
	for _, f := range failures {
		switch {
		case strings.HasPrefix(f.ID, "slot."), f.ID == "server.walsenders", f.ID == "server.slots":
		case f.ID == "role.select" && s.isReference(f.Object):
		default:
			l = append(l, f)
		}
	}
	return l
}

// isReference reports whether a table, as schema.name, is read by look-ups alone.
func (s *postgresSource) isReference(table string) bool {
	return slices.ContainsFunc(s.spec.Tables(), func(t mapping.Table) bool { return !t.Stream && t.Schema+"."+t.Name == table })
}

// fitting returns why the configured mapping does not fit the tables, such as that another
// preset does; false where that is not known. See requirements.Fitting.
func (s *postgresSource) fitting(ctx context.Context, conn *pgx.Conn) (provision.Finding, bool) {
	f, found, err := requirements.Fitting(ctx, conn, s.cfg.Mapping, s.spec)
	return f, found && err == nil && f.Level == provision.Fail
}

// checkColumns checks the mapping against the real columns. A missing column leaves a
// member out of the events, which the log and /status tell; its error is a mapping that
// cannot work.
func (s *postgresSource) checkColumns(ctx context.Context, conn *pgx.Conn) error {
	var failed error
	var never []mapping.Problem
	problems, err := s.spec.Check(func(schema, table string) []string {
		columns, err := provision.Columns(ctx, conn, schema, table)
		failed = errors.Join(failed, err)
		return columns
	})
	if failed != nil {
		return failed
	}
	if err == nil {
		typeOf, unread := provision.ColumnTypes(ctx, conn)
		err, never = s.spec.CheckTypes(typeOf), s.spec.CheckConditions(typeOf)
		if unread() != nil {
			return unread()
		}
	}
	if err != nil || len(problems) > 0 {
		if f, found := s.fitting(ctx, conn); found {
			return &SetupError{Findings: []provision.Finding{f}}
		}
	}
	if err != nil {
		return &SetupError{Err: fmt.Errorf("%w\n  %s", err, requirements.ColumnsFix)}
	}
	s.accepted.problems = map[string]bool{}
	for _, p := range problems {
		s.accepted.problems[p.String()] = true
		s.warnings.Problem(p)
	}
	for _, p := range never {
		s.warnings.Problem(p)
	}
	return nil
}
