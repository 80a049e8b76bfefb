package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"chatbridge/bridge/requirements"
	"chatbridge/configs"
	"chatbridge/internal/sqlquote"
	"chatbridge/mapping"
	"chatbridge/source/postgres/dial"
	"chatbridge/source/postgres/provision"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"
)

func newSetup(std streams) *cobra.Command {
	var apply, remove bool
	var role string
	cmd := &cobra.Command{
		Use:   "setup [--config FILE] [--apply]",
		Short: "Print, or run, the SQL that the database still needs",
		Long: `setup inspects the database and prints the SQL that it still needs: publication
and slot. It can be pasted into Supabase's SQL editor. --apply runs it. What is
there already is left as it is, so a second time there is nothing to do.

What is wrong and cannot be created, such as a table without a primary key or a
role without REPLICATION, is printed with what fixes it, and the exit code is 1.

What it offers besides, contacts in the publication and an index for look-ups,
is printed and never run.

--role NAME also prints how to create a role of that name with no more rights
than the bridge needs, or what one that is there still lacks. You give it its
password.

--remove prints what takes away all that a bridge leaves in the database when it is
retired: its slot, with the WAL that this frees, the publication, the large object that
keeps its place, and with --role NAME that role. --apply runs it. A slot that is being
read is not removed, nor a publication with other tables than the bridge's, nor a role
that has more than --role NAME gives it: what stays is named.

` + configHelp,
		Example: `  bridge setup --config bridge.yaml
  bridge setup --config bridge.yaml --apply
  bridge setup --config bridge.yaml --role chatbridge
  bridge setup --config bridge.yaml --remove --role chatbridge --apply`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if apply && role != "" && !remove {
				return usagef("--role is printed only: its password is yours to set; run it without --apply")
			}
			config, err := loadConfig(cmd, false)
			if err != nil {
				return err
			}
			spec, err := mapping.Load(config.Mapping.Preset, config.Mapping.File)
			if err != nil {
				return &configurationError{err}
			}
			s := setup{out: std.out, config: config, spec: spec, role: role, apply: apply, remove: remove}
			return s.run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&apply, "apply", false, "run the SQL instead of printing it")
	cmd.Flags().StringVar(&role, "role", "", "print how to create a role of this `name`; with --remove, remove it")
	cmd.Flags().BoolVar(&remove, "remove", false, "print, or with --apply run, what takes away all that a bridge leaves behind")
	addConfigFlags(cmd)
	return cmd
}

// configurationError is wrong configuration outside of package configs, such as
// a mapping.
type configurationError struct{ err error }

func (e *configurationError) Error() string { return e.err.Error() }
func (e *configurationError) Unwrap() error { return e.err }
func (*configurationError) ExitCode() int   { return exitUsage }

// setup is one run of the command.
type setup struct {
	out    io.Writer
	config *configs.Config
	spec   *mapping.Spec
	role   string
	apply  bool
	remove bool
}

func (s *setup) run(ctx context.Context) error {
	if s.config.Source.Kind == configs.KindRealtime && s.remove {
		return usagef("source.kind is realtime: such a bridge leaves nothing in the database. Where an earlier one followed it: --source.kind=postgres")
	}
	if s.config.Source.Kind == configs.KindRealtime {
		return s.realtime()
	}
	if s.config.Source.Postgres.URL == "" {
		return s.config.Validate()
	}
	conn, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	want, err := requirements.Read(ctx, conn, s.config, s.spec)
	if err != nil {
		return fmt.Errorf("inspect the database: %w", err)
	}
	if s.remove {
		return s.runRemoval(ctx, conn, want)
	}
	report, err := provision.Inspect(ctx, conn, want)
	if err != nil {
		return fmt.Errorf("inspect the database: %w", err)
	}
	// With a wrong mapping the plan would be for the wrong tables: change nothing.
	if f, found, err := requirements.Fitting(ctx, conn, s.config.Mapping, s.spec); err == nil && found && f.Level == provision.Fail {
		fmt.Fprintln(s.out, "-- "+strings.ReplaceAll(findingLine(f), "\n", " "))
		return &exitError{exitFailed}
	}
	plan := provision.Plan(report)
	if s.apply {
		if err := s.runPlan(ctx, conn, plan); err != nil {
			return err
		}
		if report, err = provision.Inspect(ctx, conn, want); err != nil {
			return fmt.Errorf("inspect the database: %w", err)
		}
		plan = nil
	}
	var missing []provision.Statement
	if s.role != "" {
		if missing, err = provision.RoleMissing(ctx, conn, want, s.role); err != nil {
			return err
		}
		head := "-- What the role " + strings.ReplaceAll(s.role, "\n", " ") + " still needs."
		if len(missing) > 0 && strings.HasPrefix(missing[0].SQL, "CREATE ROLE") {
			head = "-- A role with no more rights than the bridge needs. It cannot log in before you\n-- give it a password: \\password in psql, or ALTER ROLE ... PASSWORD '...'."
		}
		s.print(head, missing)
	}
	s.print("-- What the database still needs. Run each statement by itself: a slot cannot\n-- be created together with what writes.", plan)
	s.print("-- Not needed, and worth having.", provision.Offers(report))
	return s.finish(report, len(plan) > 0, len(missing) > 0)
}

// runRemoval prints, or with --apply runs, the SQL that removes what a bridge leaves
// behind.
func (s *setup) runRemoval(ctx context.Context, conn *pgx.Conn, want provision.Want) error {
	removal, err := provision.Remove(ctx, conn, want, s.role)
	var inUse *provision.InUseError
	switch {
	case errors.As(err, &inUse):
		return err
	case err != nil:
		return fmt.Errorf("inspect the database: %w", err)
	}
	denied := "this role may not run " + strings.Join(removal.Denied, ", nor ") +
		": use the address of a role that may, such as the one that made the bridge's role"
	switch {
	case s.apply && len(removal.Denied) > 0:
		return fmt.Errorf("nothing was removed, because %s", denied)
	case s.apply:
		if err := s.runPlan(ctx, conn, removal.Plan); err != nil {
			return err
		}
	default:
		s.print("-- What a bridge leaves in the database. --apply runs it; nothing was changed yet.", removal.Plan)
		if len(removal.Denied) > 0 {
			fmt.Fprintln(s.out, "-- --apply would be refused: "+denied)
		}
	}
	for _, left := range removal.Left {
		fmt.Fprintln(s.out, "-- Left: "+left)
	}
	if files := s.stateFiles(); len(files) > 0 && len(removal.Plan) > 0 {
		fmt.Fprintf(s.out, "-- Left: on the bridge's machine, what it kept over restarts: %s\n", strings.Join(files, ", "))
	}
	if len(removal.Plan) == 0 {
		fmt.Fprintln(s.out, "-- Nothing is left to remove.")
	}
	return nil
}

// stateFiles are the files that the bridge keeps over restarts.
func (s *setup) stateFiles() []string {
	files := []string{s.config.Replay.StateFile, s.config.DeparturesFile(), s.config.Ledger.File}
	if s.config.Send.Mode != configs.SendRefuse {
		files = append(files, s.config.Send.StateFile)
	}
	return slices.DeleteFunc(files, func(f string) bool { return f == "" })
}

func (s *setup) connect(ctx context.Context) (*pgx.Conn, error) {
	pg := s.config.Source.Postgres
	conn, err := dial.Connect(ctx, pg.URL.Reveal(), "chatbridge-setup", pg.ConnectTimeout)
	if err != nil {
		f := provision.Connect("source.postgres.url", err)
		return nil, fmt.Errorf("%s; %s", f.What, f.Fix)
	}
	return conn, nil
}

// runPlan runs the statements and prints those that were run.
func (s *setup) runPlan(ctx context.Context, conn *pgx.Conn, plan []provision.Statement) error {
	err := provision.Apply(ctx, conn, plan)
	done := 0
	var failed *provision.ApplyError
	switch {
	case err == nil:
		done = len(plan)
	case errors.As(err, &failed):
		done = slices.IndexFunc(plan, func(s provision.Statement) bool { return s.SQL == failed.Statement.SQL })
	}
	for _, statement := range plan[:done] {
		fmt.Fprintf(s.out, "-- done: %s\n%s\n", statement.Why, statement.SQL)
	}
	return err
}

func (s *setup) print(head string, statements []provision.Statement) {
	if len(statements) == 0 {
		return
	}
	fmt.Fprintln(s.out, head)
	for _, statement := range statements {
		fmt.Fprintf(s.out, "\n-- %s (takes %s)\n%s\n", statement.Why, statement.Needs, statement.SQL)
	}
	fmt.Fprintln(s.out)
}

// fixable are the IDs of the findings that a plan resolves.
var fixable = map[string]bool{
	"publication.missing": true, "publication.tables": true, "publication.operations": true, "slot.missing": true, "slot.lost": true,
}

// finish prints the failures that a plan does not resolve, as SQL comments, so that all
// of the output can be pasted.
func (s *setup) finish(report provision.Report, planned, role bool) error {
	failed := 0
	for _, f := range report.Failures() {
		if planned && fixable[f.ID] {
			continue
		}
		failed++
		fmt.Fprintln(s.out, "-- "+strings.ReplaceAll(findingLine(f), "\n", " "))
	}
	switch {
	case failed > 0:
		return &exitError{exitFailed}
	case !planned && !role:
		fmt.Fprintln(s.out, "-- Nothing is missing.")
	}
	return nil
}

// realtime prints what Supabase Realtime needs: the tables in its publication.
func (s *setup) realtime() error {
	if s.apply {
		return usagef("source.kind is realtime, so there is no database to run SQL in: paste what `bridge setup` prints into the project's SQL editor")
	}
	fmt.Fprintln(s.out, "-- Realtime sends the tables of this publication. Nothing happens to those that\n-- are in it already.")
	for _, t := range s.spec.Tables() {
		if !t.Stream {
			continue
		}
		name := pgx.Identifier{t.Schema, t.Name}.Sanitize()
		fmt.Fprintf(s.out, `
do $$ begin
  if not exists (select from pg_publication_tables
      where pubname = 'supabase_realtime' and schemaname = %s and tablename = %s) then
    alter publication supabase_realtime add table %s;
  end if;
end $$;
`, sqlquote.Literal(t.Schema), sqlquote.Literal(t.Name), name)
	}
	return nil
}
