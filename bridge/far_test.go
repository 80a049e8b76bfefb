package bridge_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"chatbridge/bridge/hub"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/mapping/contract"
	"chatbridge/source"
)

// screen is what a CRM shows of a conversation: its messages in the order of their
// arrival, each with its latest status.
func screen(events []event, conversation string) (ids []string, status map[string]string) {
	status = make(map[string]string)
	for _, e := range events {
		id, _ := e.Payload["id"].(string)
		switch {
		case e.Payload["conversationId"] != conversation:
		case e.Name == "message" && status[id] == "":
			ids = append(ids, id)
			status[id] = e.Payload["status"].(string)
		case e.Name == "messageStatus":
			if id = e.Payload["messageId"].(string); status[id] != "" {
				status[id] = e.Payload["status"].(string)
			}
		}
	}
	return ids, status
}

// back is the CONNECT payload of a client that was here.
func (c *crm) back() map[string]any {
	c.mu.Lock()
	defer c.mu.Unlock()
	auth := map[string]any{"token": token(c.t, workspace), "pid": c.pid}
	for _, e := range c.events {
		if e.Offset != "" {
			auth["offset"] = e.Offset
		}
	}
	return auth
}

// awayTest is a database and a client that has left it.
type awayTest struct {
	t    *testing.T
	conn *pgx.Conn
	ids  []string
	dsn  string
	left *crm
}

// missed is how much the client misses in its conversation.
const missed = 40

// whileAway has a client see one message, leave, and miss what happens then; the
// replay log is too small for it. The bridge ends.
func whileAway(t *testing.T) *awayTest {
	t.Helper()
	dsn := pgtest.DB(t, schemas.CRM)
	conn, ids := crmDatabase(t, dsn, 3)
	d := startDaemon(t, dsn, "BRIDGE_REPLAY_WINDOW=0s", "BRIDGE_REPLAY_MAX_EVENTS=10")
	d.ready()
	w := &awayTest{t: t, conn: conn, ids: ids, dsn: dsn, left: d.client(ids[0])}
	w.exec(insertMessage, workspace, ids[0], "hello")
	w.left.await("the first message", func(events []event) bool { return len(bodies(events)) == 1 })
	w.left.await("its conversation", func(events []event) bool { return events[len(events)-1].Name == "conversation" })
	w.left.leave()
	for i := range missed {
		w.exec(insertMessage, workspace, ids[0], fmt.Sprintf("missed %d", i))
	}
	w.exec(insertMessage, workspace, ids[1], "elsewhere")
	w.exec("update messages set status = 'read' where body in ('hello', 'missed 3')")
	// Another workspace's rows that name this one's conversation.
	w.exec(insertMessage, "5a1e0000-0000-4000-8000-00000000000b", ids[0], "of another workspace")
	d.await("all to be published", func() bool { return d.Snapshot().Hub.Published[contract.Message] == missed+3 })
	d.stop()
	return w
}

func (w *awayTest) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.conn.Exec(w.t.Context(), sql, args...); err != nil {
		w.t.Fatal(err)
	}
}

// stored are the conversation's messages, oldest first, as a CRM would show them.
func (w *awayTest) stored(conversation string) (ids []string, status map[string]string) {
	w.t.Helper()
	rows, err := w.conn.Query(w.t.Context(), `select id::text, status from messages where conversation_id = $1 and workspace_id = $2 order by created_at`, conversation, workspace)
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

// TestAwayForLongerThanTheLog: a client that was away while more happened than the log
// holds, and the bridge was started again, sees in the end what the database has: all of
// its conversation, in order, with the present statuses, the list of conversations, and
// what comes then. It is told of no gap, and gets nothing of another workspace.
func TestAwayForLongerThanTheLog(t *testing.T) {
	t.Parallel()
	w := whileAway(t)
	d := startDaemon(t, w.dsn, "BRIDGE_REPLAY_WINDOW=0s")
	d.ready()
	c := d.clientWith(w.left.back(), w.ids[0])
	c.await("what it missed", func(events []event) bool { return len(bodies(events)) >= missed })
	d.live(1)
	w.exec(insertMessage, workspace, w.ids[0], "live")
	events := c.await("what comes then", func(events []event) bool { return bodies(events)["live"] })

	w.left.mu.Lock()
	all := slices.Concat(w.left.events, events)
	w.left.mu.Unlock()
	ids, status := screen(all, w.ids[0])
	wantIDs, wantStatus := w.stored(w.ids[0])
	if !slices.Equal(ids, wantIDs) || !maps.Equal(status, wantStatus) {
		t.Errorf("the client shows\n%v %v, the database has\n%v %v", ids, status, wantIDs, wantStatus)
	}
	previews := map[string]any{}
	for _, e := range events {
		switch {
		case e.Name == "gap":
			t.Errorf("told of a gap: %v", e.Payload)
		case e.Payload["content"] == "of another workspace" || e.Payload["content"] == "elsewhere":
			t.Errorf("a message of another conversation: %v", e.Payload)
		case e.Name == "conversation":
			last, _ := e.Payload["lastMessage"].(map[string]any)
			previews[e.Payload["id"].(string)] = last["content"]
		case e.Offset != "" && e.Payload["content"] != "live":
			t.Errorf("an offset: %v", e)
		}
	}
	if previews[w.ids[1]] != "elsewhere" {
		t.Errorf("the list shows %v", previews)
	}
	s := d.Snapshot()
	if s.Hub.FarHealed != 1 || s.Hub.FarFailed != 0 || s.Far == nil || s.Far.Rows < missed || s.Far.Failures+s.Far.Refused != 0 {
		t.Errorf("counted %d, %d, %+v", s.Hub.FarHealed, s.Hub.FarFailed, s.Far)
	}
}

// TestAwayForTooMuch: of more than replay.far_rows messages the newest come, after the
// client was told of a gap; without replay.far it is told of all.
func TestAwayForTooMuch(t *testing.T) {
	t.Parallel()
	w := whileAway(t)
	for setting, want := range map[string]int{"BRIDGE_REPLAY_FAR_ROWS=10": 10, "BRIDGE_REPLAY_FAR=0s": 0} {
		d := startDaemon(t, w.dsn, "BRIDGE_REPLAY_WINDOW=0s", setting)
		d.ready()
		c := d.clientWith(w.left.back(), w.ids[0])
		events := c.await("a gap and the messages", func(events []event) bool {
			ids, _ := screen(events, w.ids[0])
			return len(ids) >= want && slices.ContainsFunc(events, func(e event) bool { return e.Name == "gap" })
		})
		ids, _ := screen(events, w.ids[0])
		stored, _ := w.stored(w.ids[0])
		if !slices.Equal(ids, stored[len(stored)-want:]) {
			t.Errorf("%s: got %v of %v", setting, ids, stored)
		}
		g := events[slices.IndexFunc(events, func(e event) bool { return e.Name == "gap" || e.Name == "message" })]
		if g.Name != "gap" {
			t.Fatalf("%s: the first is %v", setting, g)
		}
		since, err := time.Parse(time.RFC3339, g.Payload["since"].(string))
		until, err2 := time.Parse(time.RFC3339, g.Payload["until"].(string))
		if err != nil || err2 != nil || !since.Before(until) {
			t.Errorf("%s: told of %v", setting, g)
		}
		c.leave()
		d.stop()
	}
}

// TestManyComeBack: 50 clients of one workspace that come back at once, each having
// missed 20 messages of one of its 20 conversations, get all of them, one reading at a
// time; and a client that stayed goes on getting its events.
func TestManyComeBack(t *testing.T) {
	t.Parallel()
	const clients, conversations, each = 50, 20, 20
	dsn := pgtest.DB(t, schemas.CRM)
	conn, ids := crmDatabase(t, dsn, conversations+1)
	stayed := ids[conversations]
	w := &awayTest{t: t, conn: conn, ids: ids, dsn: dsn}
	w.exec(`insert into messages (workspace_id, conversation_id, body, created_at)
		select workspace_id, c.id, 'missed ' || n, now() - interval '1 hour' + n * interval '1 second' from conversations c, generate_series(1, $1) n where c.id <> $2`, each, stayed)
	d := startDaemon(t, dsn, "BRIDGE_REPLAY_WINDOW=0s")
	d.ready()
	live := d.client(stayed)
	d.live(1)
	sent := 0
	// latency is from a message's INSERT to its arrival at the client that stayed.
	latency := func() time.Duration {
		sent++
		body, began := fmt.Sprintf("live %d", sent), time.Now()
		w.exec(insertMessage, workspace, stayed, body)
		live.await(body, func(events []event) bool { return bodies(events)[body] })
		return time.Since(began)
	}
	median := func(all []time.Duration) time.Duration {
		slices.Sort(all)
		return all[len(all)/2]
	}
	var before, during []time.Duration
	for range 10 {
		before = append(before, latency())
	}
	left := hub.AppendOffset(nil, hub.Offset{Position: source.Position{Commit: 1}, Commit: time.Now().Add(-2 * time.Hour)})
	auth := map[string]any{"token": token(t, workspace), "pid": strings.Repeat("x", 20), "offset": string(left)}
	began, done := time.Now(), make(chan time.Duration)
	go func() {
		var all sync.WaitGroup
		for i := range clients {
			all.Go(func() {
				c := d.clientWith(auth, ids[i%conversations])
				c.await("what it missed", func(events []event) bool { return len(bodies(events)) >= each })
			})
		}
		all.Wait()
		done <- time.Since(began)
	}()
	took := time.Duration(0)
	for took == 0 {
		select {
		case took = <-done:
		default:
			during = append(during, latency())
		}
	}
	s := d.Snapshot()
	t.Logf("%d clients were caught up in %v; readings took %v and waited %v together; median latency of another client %v, before %v",
		clients, took, s.Far.Spent, s.Far.Waited, median(during), median(before))
	if s.Hub.FarHealed != clients || s.Far.Failures+s.Far.Refused != 0 || s.Hub.FarFailed != 0 {
		t.Errorf("counted %d, %+v", s.Hub.FarHealed, s.Far)
	}
	if len(during) < 3 {
		t.Errorf("only %d messages came to the client that stayed until all the others were caught up", len(during))
	}
	if was, is := median(before), median(during); is > 20*was+500*time.Millisecond {
		t.Errorf("the latency of the client that stayed went from %v to %v", was, is)
	}
}

// TestNothingToReadBy: under a mapping whose keys lie inside of JSON, or whose messages
// tell no time, one line says that clients are not caught up from the tables, /status says
// why, and a client is told of its gap. Nothing is counted as failed.
func TestNothingToReadBy(t *testing.T) {
	t.Parallel()
	noTime := filepath.Join(t.TempDir(), "mapping.yaml")
	if err := os.WriteFile(noTime, []byte("message:\n  newest_by: body\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		schema, reason string
		env            []string
	}{
		{schemas.Evolution, "JSON", []string{"BRIDGE_MAPPING_PRESET=evolution"}},
		{schemas.CRM, "message.newest_by", []string{"BRIDGE_MAPPING_FILE=" + noTime}},
		{schemas.CRM, "replay.far is 0", []string{"BRIDGE_REPLAY_FAR=0s"}},
	} {
		d := startDaemon(t, pgtest.DB(t, c.schema), c.env...)
		d.ready()
		d.await("why", func() bool { return strings.Contains(d.Snapshot().FarOff, c.reason) })
		lines := 1
		if c.reason == "replay.far is 0" {
			lines = 0 // as it was asked for
		}
		left := hub.AppendOffset(nil, hub.Offset{Position: source.Position{Commit: 1}, Commit: time.Now().Add(-2 * time.Hour)})
		client := d.clientWith(map[string]any{"token": token(t, workspace), "pid": "x", "offset": string(left)}, "c")
		client.await("its gap", func(events []event) bool {
			return slices.ContainsFunc(events, func(e event) bool { return e.Name == "gap" })
		})
		if n := strings.Count(d.log.String(), "not caught up from the tables"); n != lines || d.Snapshot().Hub.FarFailed != 0 {
			t.Errorf("%s: %d lines, %d failed:\n%s", c.reason, n, d.Snapshot().Hub.FarFailed, d.log)
		}
		client.leave()
		d.stop()
	}
}

// TestOvertakenByALargeTransaction: a client that is connected, and whose queue and log
// transactions overrun whose rows are dated ahead, goes on from the tables, then the log,
// and then live. Each message comes once, in order, or was in a gap that it was told of,
// which it is where they are more than replay.far_rows.
func TestOvertakenByALargeTransaction(t *testing.T) {
	t.Parallel()
	t.Run("within replay.far_rows", func(t *testing.T) { t.Parallel(); overtaken(t) })
	t.Run("beyond replay.far_rows", func(t *testing.T) { t.Parallel(); overtaken(t, "BRIDGE_REPLAY_FAR_ROWS=500") })
}

func overtaken(t *testing.T, env ...string) {
	const rows = 2000
	dsn := pgtest.DB(t, schemas.CRM)
	conn, ids := crmDatabase(t, dsn, 2)
	w := &awayTest{t: t, conn: conn, ids: ids, dsn: dsn}
	d := startDaemon(t, dsn, append(env, "BRIDGE_REPLAY_MAX_EVENTS=50", "BRIDGE_LIMITS_QUEUE_PACKETS=16", "BRIDGE_LIMITS_WORKSPACE_PAUSE=1ms")...)
	d.ready()
	c, other := d.client(ids[0]), d.client(ids[1])
	d.live(2)
	began := []time.Time{time.Now()} // of each transaction; the last has come by the end of them
	n := 0
	for n == 0 || d.Snapshot().Hub.FarHealed == 0 && n < 10*rows {
		w.exec(`insert into messages (workspace_id, conversation_id, body, status, is_outgoing, sender_jid, created_at)
			select $1, $2, 'row ' || n, 'delivered', false, '5511999999999@s.whatsapp.net', now() + n * interval '0.1 millisecond' from generate_series($3::int, $4::int) n`,
			workspace, ids[0], n+1, n+rows)
		n += rows
		c.await("the transaction", func(events []event) bool { return bodies(events)[fmt.Sprintf("row %d", n)] })
		d.live(2)
		began = append(began, time.Now())
	}
	w.exec("update messages set status = 'read' where body = 'row 1'")
	w.exec(insertMessage, workspace, ids[0], "live")
	events := c.await("what comes then", func(events []event) bool {
		_, status := screen(events, ids[0])
		return bodies(events)["live"] && slices.Contains(slices.Collect(maps.Values(status)), "read")
	})
	shown, status := screen(events, ids[0])
	stored, wantStatus := w.stored(ids[0])
	for _, id := range shown {
		if status[id] != wantStatus[id] {
			t.Errorf("the client shows %s as %s, it is %s", id, status[id], wantStatus[id])
		}
	}
	told := func(from, to time.Time) bool { return toldWithin(events, ids[0], from, to) }
	if !told(began[0], began[len(began)-1]) && !slices.Equal(shown[:n], sortedLike(stored, shown[:n])) {
		t.Error("the client shows the messages in another order than the database")
	}
	got := bodies(events)
	for i, from := range began[:len(began)-1] {
		missing := 0
		for k := i*rows + 1; k <= (i+1)*rows; k++ {
			if !got[fmt.Sprintf("row %d", k)] {
				missing++
			}
		}
		if missing > 0 && !told(from, began[i+1]) {
			t.Errorf("of the transaction at %v the client lacks %d messages, and was told of no gap then", from, missing)
		}
	}
	if got := bodies(other.await("an event", func(events []event) bool { return len(events) > 0 })); len(got) > 0 {
		t.Errorf("a client of another conversation got %d messages", len(got))
	}
	s := d.Snapshot()
	t.Logf("%d rows; healed %d times, %d packets of the tables", n, s.Hub.FarHealed, s.Hub.FarPackets)
	if s.Hub.FarHealed == 0 || s.Hub.FarFailed != 0 {
		t.Errorf("made up %d times, failed %d times", s.Hub.FarHealed, s.Hub.FarFailed)
	}
}

// toldWithin tells whether a client was told of a gap, in a conversation or in all, that
// shares a moment with a stretch of time.
func toldWithin(events []event, conversation string, from, to time.Time) bool {
	return slices.ContainsFunc(events, func(e event) bool {
		of, _ := e.Payload["conversationId"].(string)
		if e.Name != "gap" || of != "" && of != conversation {
			return false
		}
		since, _ := e.Payload["since"].(string) // none: at any time
		until, _ := e.Payload["until"].(string)
		a, _ := time.Parse(time.RFC3339, since)
		b, err := time.Parse(time.RFC3339, until)
		return err == nil && !a.After(to) && !b.Before(from)
	})
}

// sortedLike are those of all that are in some, in the order of all.
func sortedLike(all, some []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(id string) bool { return !slices.Contains(some, id) })
}
