package bridge_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/mapping/contract"
)

const publish = `create publication bridge for table messages, conversations`

const often = "BRIDGE_SOURCE_POSTGRES_WATCH_INTERVAL=200ms"

// like makes messages_new with the shape of messages.
const like = `create table messages_new (like messages including all); alter table messages_new replica identity full; `

// changesAtTheDatabase keep events away without any error.
var changesAtTheDatabase = map[string]struct {
	sql string
	// back undoes it where no statement of the remedy can.
	back string
}{
	"taken out":     {sql: `alter publication bridge drop table messages`},
	"inserts only":  {sql: `alter publication bridge set (publish = 'insert')`},
	"row filter":    {sql: `alter publication bridge drop table messages; alter publication bridge add table messages where (type = 'audio')`},
	"made again":    {sql: like + `drop table messages cascade; alter table messages_new rename to messages`},
	"swapped":       {sql: like + `alter table messages rename to messages_old; alter table messages_new rename to messages`},
	"column":        {sql: `alter table messages rename column body to content`, back: `alter table messages rename column content to body`},
	"no identity":   {sql: `alter table messages replica identity nothing`, back: `alter table messages replica identity full`},
	"all published": {sql: `drop publication bridge`},
}

// TestChangesAtTheDatabaseAreNoticed: with create: never the bridge is not ready
// and says what to run; once that is done it reports the gap.
func TestChangesAtTheDatabaseAreNoticed(t *testing.T) {
	t.Parallel()
	for name, change := range changesAtTheDatabase {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := pgtest.DB(t, schemas.CRM, publish)
			_, ids := crmDatabase(t, dsn, 1)
			slot := dsn[strings.LastIndex(dsn, "/t_")+1:]
			slot, _, _ = strings.Cut(slot, "?")
			exec(t, dsn, `select pg_create_logical_replication_slot('`+slot+`', 'pgoutput')`)
			d := startDaemon(t, dsn, often, "BRIDGE_SOURCE_POSTGRES_CREATE=never")
			d.ready()
			changed := time.Now()
			exec(t, dsn, change.sql)
			d.await("not being ready", func() bool { code, _ := d.get("/readyz"); return code == http.StatusServiceUnavailable })
			s := d.Snapshot()
			if s.Ready.OK() || s.Source.State != "blocked" || s.Source.Remedy == "" || s.Pipeline.Gaps != 0 {
				t.Errorf("%+v, %d gaps", s.Source, s.Pipeline.Gaps)
			}
			if s.Source.Since.Before(changed) || !strings.HasPrefix(s.Ready.Reason, "no events since ") {
				t.Errorf("changed at %v: blocked since %v, %q", changed, s.Source.Since, s.Ready.Reason)
			}
			blocked := s.Source.Since
			// One after the other, as an operator would.
			for code := 503; code == 503; {
				remedy := change.back
				if remedy == "" {
					remedy = d.Snapshot().Source.Remedy
				}
				t.Log("remedy:", remedy)
				before := d.Snapshot().Source.Reason
				exec(t, dsn, remedy)
				d.await("another state", func() bool {
					other := d.Snapshot().Source.Reason != before
					// Asked afterwards: 503 now means another fault.
					code, _ = d.get("/readyz")
					return code == 200 || other
				})
			}
			d.ready()
			if s := d.Snapshot().Source; !s.Flowing || !s.Since.After(blocked) {
				t.Errorf("blocked since %v, %s since %v", blocked, s.State, s.Since)
			}
			d.oneGapAndAlive(dsn, ids[0])
		})
	}
}

// TestChangesAtTheDatabaseAreMended: with create: auto the bridge does it.
func TestChangesAtTheDatabaseAreMended(t *testing.T) {
	t.Parallel()
	for name, change := range changesAtTheDatabase {
		if change.back != "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := pgtest.DB(t, schemas.CRM)
			_, ids := crmDatabase(t, dsn, 1)
			d := startDaemon(t, dsn, often)
			d.ready()
			exec(t, dsn, change.sql)
			d.await("the gap", func() bool { return d.Snapshot().Pipeline.Gaps > 0 })
			d.ready()
			d.oneGapAndAlive(dsn, ids[0])
		})
	}
}

// TestChangesBetweenTwoRuns: what was changed and put back while no bridge ran
// is a gap as well, for the rows in between did not reach anybody.
func TestChangesBetweenTwoRuns(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"taken out and added": `alter publication bridge drop table messages; alter publication bridge add table messages`,
		"taken out":           `alter publication bridge drop table messages`,
		"operations":          `alter publication bridge set (publish = 'insert'); alter publication bridge set (publish = 'insert, update, delete, truncate')`,
		"made again":          like + `drop table messages cascade; alter table messages_new rename to messages; alter publication bridge add table messages`,
		"nothing":             `select 1`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := pgtest.DB(t, schemas.CRM)
			_, ids := crmDatabase(t, dsn, 1)
			d := startDaemon(t, dsn, often)
			d.ready()
			d.stop()
			exec(t, dsn, strings.Split(sql, "; ")...)
			d = startDaemon(t, dsn, often)
			d.ready()
			if name == "nothing" {
				if s := d.Snapshot().Pipeline; s.Gaps != 0 {
					t.Errorf("%d gaps, the last %+v", s.Gaps, s.LastGap)
				}
				return
			}
			d.await("the gap", func() bool { return d.Snapshot().Pipeline.Gaps > 0 })
			d.oneGapAndAlive(dsn, ids[0])
		})
	}
}

// oneGapAndAlive expects one gap, with its bounds, and a message to arrive.
func (d *daemonTest) oneGapAndAlive(dsn, conversation string) {
	d.t.Helper()
	d.await("the gap", func() bool { return d.Snapshot().Pipeline.Gaps > 0 })
	s := d.Snapshot()
	if g := s.Pipeline.LastGap; g.Since.IsZero() || g.Until.Before(g.Since) || g.Reason == "" {
		d.t.Errorf("gap %+v", g)
	}
	before := s.Hub.Published[contract.Message]
	d.await("a message", func() bool {
		exec(d.t, dsn, `insert into messages (workspace_id, conversation_id, body, status, is_outgoing) values ('`+workspace+`', '`+conversation+`', 'x', 'delivered', false)`)
		return d.Snapshot().Hub.Published[contract.Message] > before
	})
	if s := d.Snapshot().Pipeline; s.Gaps != 1 {
		d.t.Errorf("%d gaps, the last %+v", s.Gaps, s.LastGap)
	}
}

func exec(t *testing.T, dsn string, sql ...string) {
	t.Helper()
	if err := pgtest.Exec(t.Context(), dsn, sql...); err != nil {
		t.Fatal(err)
	}
}
