package bridge_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
)

// repairTest is a database in the CRM's schema, and a client that sees one of its
// conversations.
type repairTest struct {
	*daemonTest
	dsn    string
	conn   *pgx.Conn
	ids    []string
	client *crm
	n      int
	// gone are messages that a restore took away.
	gone map[string]bool
}

func startRepair(t *testing.T, dsn string, env ...string) *repairTest {
	t.Helper()
	r := &repairTest{dsn: dsn}
	r.conn, r.ids = crmDatabase(t, dsn, 2)
	r.daemonTest = startDaemon(t, dsn, append([]string{often}, env...)...)
	r.ready()
	r.client = r.daemonTest.client(r.ids[0], r.ids[1])
	r.live(1)
	return r
}

func (r *repairTest) exec(sql string, args ...any) {
	r.t.Helper()
	if _, err := r.conn.Exec(r.t.Context(), sql, args...); err != nil {
		r.t.Fatal(err)
	}
}

// write commits a message, and with it a status of the one before.
func (r *repairTest) write() {
	r.t.Helper()
	r.exec(insertMessage, workspace, r.ids[r.n%2], fmt.Sprintf("m%04d", r.n))
	if r.n > 0 {
		r.exec(`update messages set status = 'read' where body = $1`, fmt.Sprintf("m%04d", r.n-1))
	}
	r.n++
}

func (r *repairTest) writeSome(n int) {
	r.t.Helper()
	for range n {
		r.write()
	}
}

// writeUntil writes under way to a condition, and awaits it.
func (r *repairTest) writeUntil(what string, ok func() bool) {
	r.t.Helper()
	r.await(what, func() bool { r.write(); return ok() })
}

// shown is what a client shows, as body=status, in the order of arrival.
func shown(events []event) (bodies []string, status map[string]string) {
	status = make(map[string]string)
	names := map[string]string{}
	for _, e := range events {
		switch e.Name {
		case "message":
			id, body := e.Payload["id"].(string), e.Payload["content"].(string)
			if names[id] == "" {
				names[id] = body
				bodies = append(bodies, body)
				status[body] = e.Payload["status"].(string)
			}
		case "messageStatus":
			if body := names[e.Payload["messageId"].(string)]; body != "" {
				status[body] = e.Payload["status"].(string)
			}
		}
	}
	return bodies, status
}

// complete expects the client to show in the end all that the database has, each
// message once, in order where ordered, with its latest status.
func (r *repairTest) complete(ordered bool) {
	r.t.Helper()
	r.write()
	rows, err := r.conn.Query(r.t.Context(), `select body, status from messages where body like 'm%' order by body`)
	if err != nil {
		r.t.Fatal(err)
	}
	want, order := map[string]string{}, []string(nil)
	var body, status string
	if _, err := pgx.ForEachRow(rows, []any{&body, &status}, func() error {
		want[body] = status
		order = append(order, body)
		return nil
	}); err != nil {
		r.t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		r.client.mu.Lock()
		events := slices.Clone(r.client.events)
		r.client.mu.Unlock()
		bodies, have := shown(events)
		maps.DeleteFunc(have, func(body, _ string) bool { return r.gone[body] })
		if maps.Equal(have, want) {
			if ordered && !slices.Equal(bodies, order) {
				r.t.Errorf("the order is %v", bodies)
			}
			return
		}
		if time.Now().After(deadline) {
			missing, wrong := 0, 0
			for body, status := range want {
				switch was, ok := have[body]; {
				case !ok:
					missing++
				case was != status:
					wrong++
				}
			}
			r.t.Fatalf("of %d messages %d are missing and %d have another status; %+v", len(want), missing, wrong, r.Snapshot().Repair)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (r *repairTest) slot() string {
	config, err := pgx.ParseConfig(r.dsn)
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.ToLower(config.Database)
}

// gaps are the gap events that the client was sent.
func (r *repairTest) gaps() (out []event) {
	r.client.mu.Lock()
	defer r.client.mu.Unlock()
	for _, e := range r.client.events {
		if e.Name == "gap" {
			out = append(out, e)
		}
	}
	return out
}

// comeBack has the client connect to a bridge that was started anew.
func (r *repairTest) comeBack() {
	r.client.leave()
	before := r.client
	r.client = r.daemonTest.clientWith(before.back(), r.ids[0], r.ids[1])
	r.client.mu.Lock()
	defer r.client.mu.Unlock()
	r.client.events = slices.Concat(before.events, r.client.events)
}

// readBack awaits that n gaps were read back.
func (r *repairTest) readBack(n uint64) func() bool {
	return func() bool { s := r.Snapshot().Repair; return s.Healed+s.Remaining >= n }
}

// withTimes gives the messages a time of update, so that the tables tell everything.
const withTimes = `alter table messages add column updated_at timestamptz not null default now();
	create trigger messages_updated_at before update on messages for each row execute function set_updated_at()`

// TestGapsAreReadBack: what did not reach the stream reaches the client, without a
// reload; what was read back in full it is not told to have missed.
func TestGapsAreReadBack(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(r *repairTest){
		"publication dropped": func(r *repairTest) {
			r.exec("drop publication bridge")
			r.writeUntil("the gap", r.readBack(1))
		},
		"table taken out": func(r *repairTest) {
			r.exec("alter publication bridge drop table messages")
			r.writeUntil("the gap", r.readBack(1))
		},
		"slot dropped": func(r *repairTest) {
			r.await("the slot being dropped", func() bool {
				r.exec("select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1", r.slot())
				_, err := r.conn.Exec(r.t.Context(), "select pg_drop_replication_slot($1)", r.slot())
				return err == nil
			})
			r.writeUntil("the gap", r.readBack(1))
		},
		"table made again": func(r *repairTest) {
			r.exec(like + `insert into messages_new select * from messages; drop table messages cascade; alter table messages_new rename to messages`)
			r.exec(`create trigger messages_updated_at before update on messages for each row execute function set_updated_at()`)
			r.writeUntil("the gap", r.readBack(1))
		},
		"while none ran": func(r *repairTest) {
			r.daemonTest.stop()
			r.exec("select pg_drop_replication_slot($1)", r.slot())
			r.writeSome(20)
			r.daemonTest = startDaemon(r.t, r.dsn, often)
			r.ready()
			r.await("the gap", r.readBack(1))
			r.comeBack()
		},
	} {
		for _, times := range []bool{true, false} {
			if !times && name != "slot dropped" && name != "table made again" {
				continue
			}
			t.Run(fmt.Sprintf("%s,times=%v", name, times), func(t *testing.T) {
				t.Parallel()
				dsn := pgtest.DB(t, schemas.CRM)
				if times {
					exec(t, dsn, withTimes)
				}
				r := startRepair(t, dsn)
				r.await5()
				if !times && name == "table made again" {
					r.exec("create or replace function set_updated_at() returns trigger language plpgsql as $$ begin return new; end $$")
				}
				lose(r)
				r.complete(false)
				s := r.Snapshot()
				told := r.gaps()
				switch {
				case s.Repair.Rows == 0:
					t.Errorf("nothing was read back: %+v", s.Repair)
				case times && (s.Repair.Healed == 0 || s.Repair.Remaining > 0 || s.Pipeline.Gaps > 0 || len(told) > 0):
					t.Errorf("%+v, %d gaps, told %v; all was read back", s.Repair, s.Pipeline.Gaps, told)
				case !times && (s.Repair.Remaining == 0 || s.Pipeline.Gaps == 0):
					// Older messages may have another status now.
					t.Errorf("%+v, %d gaps; statuses of messages from before the start are not known", s.Repair, s.Pipeline.Gaps)
				}
			})
		}
	}
}

// lastShown is the content that a conversation's preview shows after a message came,
// empty where no event of the conversation came after it.
func lastShown(events []event, conversation, body string) (content string) {
	came := false
	for _, e := range events {
		switch {
		case e.Name == "message" && e.Payload["content"] == body:
			came = true
		case e.Name == "conversation" && e.Payload["id"] == conversation && came:
			last, _ := e.Payload["lastMessage"].(map[string]any)
			content, _ = last["content"].(string)
		}
	}
	return content
}

// TestReadBackPreview: what is read back comes after newer messages of the stream, and
// the conversation shows the newest all the same.
func TestReadBackPreview(t *testing.T) {
	t.Parallel()
	r := startRepair(t, pgtest.DB(t, schemas.CRM, withTimes))
	r.await5()
	say := func(conversation int, body string) { r.exec(insertMessage, workspace, r.ids[conversation], body) }
	for n := range 3 {
		lost, newest := fmt.Sprint("lost ", n), fmt.Sprint("newest ", n)
		r.exec("alter publication bridge drop table messages")
		say(0, lost)
		say(1, lost+" of the other")
		r.exec("alter publication bridge add table messages")
		say(0, newest)
		for i, body := range []string{lost, lost + " of the other"} {
			events := r.client.await("what was read back", func(events []event) bool { return lastShown(events, r.ids[i], body) != "" })
			want := []string{newest, body}[i]
			if got := lastShown(events, r.ids[i], body); got != want {
				t.Errorf("after %q was read back its conversation shows %q, want %q", body, got, want)
			}
		}
	}
}
