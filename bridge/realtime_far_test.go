package bridge_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"chatbridge/bridge/hub"
	"chatbridge/internal/postgrestdouble"
	"chatbridge/internal/realtimedouble"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/source"
)

// TestAwayWithoutADatabase: where the project's address and key are all there is, a
// client that was away for an hour is caught up over PostgREST, which gives a few rows at
// a time: it shows all that it missed, with the present statuses, is told of no gap, and
// gets nothing of another workspace. Of more than replay.far_rows it gets the newest, and
// is told of the rest.
func TestAwayWithoutADatabase(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DB(t, realtimedouble.Roles, schemas.CRM)
	conn, ids := crmDatabase(t, dsn, 3)
	w := &awayTest{t: t, conn: conn, ids: ids, dsn: dsn}
	p := startProjectWith(t, dsn, postgrestdouble.Options{MaxRows: 9})
	const another = "5a1e0000-0000-4000-8000-00000000000b"
	w.exec(`insert into messages (workspace_id, conversation_id, body, status, created_at)
		select case n when 7 then $3::uuid else $1 end, $2::uuid, 'missed ' || n, case when n % 3 = 0 then 'read' else 'sent' end, now() - interval '50 minutes' + (n / 4) * interval '1 second' from generate_series(0, $4::int - 1) n`,
		workspace, ids[0], another, missed)
	w.exec(insertMessage, workspace, ids[1], "elsewhere")
	left := hub.AppendOffset(nil, hub.Offset{Position: source.Position{Commit: 1}, Commit: time.Now().Add(-time.Hour)})
	auth := map[string]any{"token": token(t, workspace), "pid": strings.Repeat("x", 20), "offset": string(left)}
	for _, c := range []struct {
		setting string
		want    int
	}{{"BRIDGE_REPLAY_FAR_ROWS=5000", missed - 1}, {"BRIDGE_REPLAY_FAR_ROWS=10", 10}} {
		d := runDaemon(t, []string{
			"BRIDGE_SOURCE_KIND=realtime", "SUPABASE_URL=" + p.URL(), "SUPABASE_SERVICE_ROLE_KEY=" + p.Key(), "BRIDGE_REPLAY_WINDOW=0s", c.setting,
		})
		d.ready()
		client := d.clientWith(auth, ids[0])
		d.await("the client to be caught up", func() bool { return d.Snapshot().Hub.FarHealed+d.Snapshot().Hub.FarFailed > 0 })
		d.live(1)
		live := "live " + c.setting
		if c.want == 10 {
			client.await("its gap", func(events []event) bool {
				return slices.ContainsFunc(events, func(e event) bool { return e.Name == "gap" })
			})
		}
		w.exec(insertMessage, workspace, ids[0], live)
		events := client.await(live, func(events []event) bool { return bodies(events)[live] })
		shown, status := screen(events, ids[0])
		stored, present := w.missedAndStored(ids[0])
		n := len(shown) - 1 // without the live one
		if n != c.want || !slices.Equal(slices.Sorted(slices.Values(shown[:n])), slices.Sorted(slices.Values(stored[max(0, len(stored)-1-n):len(stored)-1]))) {
			t.Errorf("%s: shows %d of %d: %v", c.setting, n, len(stored), shown)
		}
		for id, s := range status {
			if present[id] != s {
				t.Errorf("%s: message %s shows %s, is %s", c.setting, id, s, present[id])
			}
		}
		previews := map[string]any{}
		for _, e := range events {
			switch {
			case e.Name == "gap" && c.want != 10:
				t.Errorf("told of a gap: %v", e.Payload)
			case e.Payload["content"] == "missed 7", e.Payload["content"] == "elsewhere":
				t.Errorf("a message that is none of its own: %v", e.Payload)
			case e.Name == "conversation":
				last, _ := e.Payload["lastMessage"].(map[string]any)
				previews[fmt.Sprint(e.Payload["id"])] = last["content"]
			}
		}
		if previews[ids[1]] != "elsewhere" {
			t.Errorf("%s: the list shows %v", c.setting, previews)
		}
		s := d.Snapshot()
		if s.FarOff != "" || s.Far == nil || s.Far.Failures+s.Far.Refused != 0 || s.Hub.FarFailed != 0 {
			t.Errorf("%s: counted %+v, %q", c.setting, s.Far, s.FarOff)
		}
		client.leave()
		d.stop()
	}
}

// missedAndStored are a conversation's messages by their time and then by key.
func (w *awayTest) missedAndStored(conversation string) (ids []string, status map[string]string) {
	w.t.Helper()
	rows, err := w.conn.Query(w.t.Context(), `select id::text, status from messages where conversation_id = $1 and workspace_id = $2 order by created_at, id`, conversation, workspace)
	if err != nil {
		w.t.Fatal(err)
	}
	status = make(map[string]string)
	var id, s string
	if _, err := pgx.ForEachRow(rows, []any{&id, &s}, func() error {
		ids, status[id] = append(ids, id), s
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
	return ids, status
}
