package provision_test

import (
	"context"
	"strings"
	"testing"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/source/postgres/provision"

	"github.com/jackc/pgx/v5"
)

// standbyTest is a primary with a standby, and what is inspected of them.
type standbyTest struct {
	t                *testing.T
	want             provision.Want
	cluster          *throwaway.Cluster // the standby
	primary, standby *pgx.Conn
}

// find waits for a finding of that level with that text in it, and returns it.
func (s *standbyTest) find(conn *pgx.Conn, id string, level provision.Level, text string) (f provision.Finding) {
	s.t.Helper()
	await(s.t, id+" "+level.String()+": "+text, func() bool {
		var ok bool
		r := inspect(s.t, conn, s.want)
		f, ok = r.Find(id, "")
		return ok && f.Level == level && strings.Contains(f.What, text) && (level == provision.OK || f.Meaning != "" && f.Fix != "")
	})
	return f
}

// none waits until there is no such finding.
func (s *standbyTest) none(conn *pgx.Conn, id string) {
	s.t.Helper()
	await(s.t, "no "+id, func() bool { r := inspect(s.t, conn, s.want); _, ok := r.Find(id, ""); return !ok })
}

// run runs the SQL of a fix, each statement by itself.
func (s *standbyTest) run(conn *pgx.Conn, sql string) {
	s.t.Helper()
	for line := range strings.Lines(sql) {
		for statement := range strings.SplitAfterSeq(strings.Split(line, "--")[0], ";") {
			if _, err := conn.PgConn().Exec(s.t.Context(), statement).ReadAll(); err != nil {
				s.t.Fatalf("%s: %v", statement, err)
			}
		}
	}
}

// TestStandby: what a promoted standby would continue, seen from either side.
func TestStandby(t *testing.T) {
	t.Parallel()
	template, err := throwaway.NewTemplate(t.Context(), pgtest.Version(t, "17"))
	if err != nil {
		t.Fatal(err)
	}
	defer template.Remove()
	primary := pgtest.Cluster(t, throwaway.Options{Template: template, TCP: true})
	url := pgtest.On(t, primary, schemas.CRM, `create publication bridge for table messages, conversations`)
	standby := pgtest.Standby(t, primary, template, map[string]string{"hot_standby_feedback": "off"})
	s := &standbyTest{
		t: t, want: crm(t), cluster: standby, primary: connect(t, url), standby: connect(t, pgtest.StandbyURL(t, standby, url)),
	}
	s.atThePrimary()
	s.atTheStandby()
	s.standbyAway()
}

// atThePrimary ends with a slot that standbys copy.
func (s *standbyTest) atThePrimary() {
	s.t.Helper()
	s.run(s.primary, `select pg_create_logical_replication_slot('`+s.want.Slot+`', 'pgoutput')`)
	if f := s.find(s.primary, "slot.failover", provision.Warn, "do not copy"); !strings.Contains(f.Fix, `ALTER_REPLICATION_SLOT "`+s.want.Slot+`" (FAILOVER true)`) {
		s.t.Error(f.Fix)
	}
	s.none(s.primary, "slot.standbys")
	s.want.NoFailover = true
	s.find(s.primary, "slot.failover", provision.OK, "do not copy")
	s.want.NoFailover = false
	s.run(s.primary, `select pg_drop_replication_slot('`+s.want.Slot+`')`)
	r := inspect(s.t, s.primary, s.want)
	if err := provision.Apply(s.t.Context(), s.primary, provision.Plan(r)); err != nil {
		s.t.Fatal(err)
	}
	s.find(s.primary, "slot.failover", provision.OK, "copy")
	s.run(s.primary, s.find(s.primary, "slot.standbys", provision.Warn, "no standby").Fix)
	s.find(s.primary, "slot.standbys", provision.OK, pgtest.StandbySlot)
}

// atTheStandby ends with a copy that lasts.
func (s *standbyTest) atTheStandby() {
	s.t.Helper()
	const id = "slot.synchronized"
	// What is written now is past the slot's place, and the copy cannot begin there.
	s.run(s.primary, `create table later (id int); insert into later values (1); drop table later;`)
	fix := s.find(s.standby, id, provision.Warn, "has no copy").Fix
	if r := inspect(s.t, s.standby, s.want); len(provision.Plan(r)) > 0 {
		s.t.Errorf("a standby is to be changed: %+v", provision.Plan(r))
	}
	s.run(s.standby, fix)
	s.find(s.standby, id, provision.Warn, "not ready")
	// From here on when it is asked to.
	s.run(s.standby, `alter system set sync_replication_slots = off; select pg_reload_conf()`)
	await(s.t, "a copy that lasts", func() bool {
		s.run(s.primary, `select pg_log_standby_snapshot(); select pg_replication_slot_advance('`+s.want.Slot+`', pg_current_wal_lsn())`)
		_, _ = s.standby.Exec(s.t.Context(), `select pg_sync_replication_slots()`) // fails while the worker ends
		r := inspect(s.t, s.standby, s.want)
		f, _ := r.Find(id, "")
		return f.Level == provision.OK && strings.Contains(f.What, "has a copy")
	})
}

// standbyAway: what synchronized_standby_slots names holds the bridge up.
func (s *standbyTest) standbyAway() {
	s.t.Helper()
	if err := s.standby.Close(context.WithoutCancel(s.t.Context())); err != nil {
		s.t.Error(err)
	}
	if err := s.cluster.Halt(s.t.Context(), "fast"); err != nil {
		s.t.Fatal(err)
	}
	s.run(s.primary, s.find(s.primary, "slot.standbys", provision.Fail, pgtest.StandbySlot).Fix)
	s.none(s.primary, "slot.standbys")
	if err := s.cluster.StartAgain(s.t.Context()); err != nil { // for its end
		s.t.Fatal(err)
	}
}
