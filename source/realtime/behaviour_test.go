package realtime_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chatbridge/internal/postgrestdouble"
	"chatbridge/internal/realtimedouble"
	"chatbridge/internal/schemas"
	"chatbridge/source"
	"chatbridge/source/realtime"
)

func TestStartPublishesOnlyTheRecentPast(t *testing.T) {
	t.Parallel()
	p := start(t, setup{before: func(p *project) {
		for i, age := range []string{"3 days", "5 hours", "10 minutes", "20 seconds", "10 seconds"} {
			p.sql(`insert into messages (id, conversation_id, workspace_id, body, created_at)
				values ($1, $2, $3, 'x', now() - $4::interval)`, fmt.Sprintf("00000000-0000-4000-8000-00000000000%d", i), conversation, workspace, age)
		}
	}})
	p.settled()
	p.awaitRow("public.messages", "00000000-0000-4000-8000-000000000004", "body", "x")
	for i, want := range []int{0, 0, 0, 1, 1} {
		inserts := 0
		for _, c := range p.rec.of("public.messages", fmt.Sprintf("00000000-0000-4000-8000-00000000000%d", i)) {
			if c.op == source.Insert {
				inserts++
			}
		}
		if inserts != want {
			t.Errorf("message %d: %d inserts, want %d", i, inserts, want)
		}
	}
	// What is known from before is not published again, yet a lost change of
	// it is, with the old status.
	p.rt.Silence(true)
	p.status("00000000-0000-4000-8000-000000000001", "read")
	p.awaitRow("public.messages", "00000000-0000-4000-8000-000000000001", "status", "read")
	got := p.rec.of("public.messages", "00000000-0000-4000-8000-000000000001")
	if len(got) != 1 || got[0].op != source.Update || got[0].old["status"] != "sending" || got[0].old["id"] != got[0].id {
		t.Errorf("lost change of an old message: %+v", got)
	}
	if _, ok := got[0].old["body"]; ok {
		t.Errorf("the old row shows more than is known: %+v", got[0].old)
	}
	p.rec.check(t)
}

func TestReconciledChangesComeInTheOrderOfTheirTimes(t *testing.T) {
	t.Parallel()
	p := start(t, setup{change: func(o *realtime.Options) {
		// Only the gap's own comparison may publish.
		o.DegradedInterval, o.ReconcileInterval, o.WindowInterval = time.Hour, time.Hour, time.Hour
		o.Timing.Cold, o.Timing.Hold = time.Hour, time.Hour
		o.PageSize = 7
	}})
	p.settled()
	p.rt.Refuse(503, "")
	p.rt.DropTCP()
	p.awaitState(realtime.StateConnecting)
	p.await("the gap's first comparison", func() bool { return !p.src.Stats().Reconcile.GapOpen })
	want := []string{}
	for i := range 30 {
		id := p.message(fmt.Sprint("m", i), "sent")
		p.sql("update conversations set last_message_at = now(), unread_count = $1", i)
		want = append(want, id)
	}
	// The double's slot is read on: nobody is there to be sent what it has.
	p.rt.Drain()
	p.rt.Refuse(0, "")
	p.awaitTruth("messages", "body")
	p.awaitTruth("conversations", "unread_count")
	var got []string
	p.rec.mu.Lock()
	var last time.Time
	for _, c := range p.rec.changes {
		if c.table == "public.messages" && c.op == source.Insert {
			got = append(got, c.id)
		}
		if c.tx.Time.Before(last) {
			t.Errorf("%s %s %s: time %s after %s", c.table, c.id, c.op, c.tx.Time, last)
		}
		last = c.tx.Time
	}
	p.rec.mu.Unlock()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %d inserts %v, want %d %v", len(got), got, len(want), want)
	}
	p.rec.check(t)
}

func TestStreamWaitsForWhatWentBefore(t *testing.T) {
	t.Parallel()
	p := start(t, setup{change: func(o *realtime.Options) {
		o.DegradedInterval, o.ReconcileInterval, o.WindowInterval = time.Hour, time.Hour, time.Hour
		o.Timing.Hold = time.Hour
	}})
	p.settled()
	// Reading back fails while the connection is gone and back again.
	p.rest.Fail(503, "")
	before := p.src.Stats().Connects
	p.rt.DropTCP()
	p.await("the loss to be noticed", func() bool { return p.src.Stats().Gaps["disconnect"] > 0 })
	first := p.message("lost", "sent")
	p.await("new subscriptions", func() bool { return p.src.Stats().Connects > before && p.src.State() == realtime.StateLive })
	second := p.message("streamed", "sent")
	p.rt.Drain()
	p.await("the streamed one to wait", func() bool { return p.src.Stats().Queued > 0 })
	p.rest.Fail(0, "")
	p.awaitRow("public.messages", first, "body", "lost")
	p.awaitRow("public.messages", second, "body", "streamed")
	p.rec.mu.Lock()
	defer p.rec.mu.Unlock()
	for _, c := range p.rec.changes {
		if c.id == second {
			t.Fatal("the streamed message overtook the one before it")
		}
		if c.id == first && c.op == source.Insert {
			return
		}
	}
}

func TestRowsThatAreCutAreReadBackWhole(t *testing.T) {
	t.Parallel()
	p := start(t, setup{double: realtimedouble.Options{MaxRecord: 20_000}})
	p.settled()
	body := strings.Repeat("long ", 10_000)
	id := p.message(body, "sending")
	p.awaitRow("public.messages", id, "body", body)
	p.status(id, "read")
	p.awaitRow("public.messages", id, "status", "read")
	p.sql("delete from messages where id = $1", id)
	if !p.rec.until(waitLimit, func() bool { return p.rec.rows["public.messages/"+id] == nil }) {
		t.Fatal("the delete did not come")
	}
	for _, c := range p.rec.of("public.messages", id) {
		if c.op != source.Delete && c.row["body"] != body {
			t.Errorf("%s with a body of %d bytes, want %d", c.op, len(c.row["body"]), len(body))
		}
	}
	// Of the two changes one may have been read back before it came.
	if p.src.Stats().Dropped["cut"] == 0 {
		t.Errorf("no row was cut: %+v", p.src.Stats().Dropped)
	}
	p.rec.check(t)
}

func TestIdentityDefault(t *testing.T) {
	t.Parallel()
	p := start(t, setup{
		schema: schemas.ChatEngine + `create publication supabase_realtime for table messages, conversations;`,
		before: func(p *project) {
			p.sql("insert into messages (id, workspace_id, conversation_id, type, content, status, created_at) values ('old', 'w', 'c', 'text', (select string_agg(md5(random()::text), '') from generate_series(1, 1000)), 'sent', now() - interval '1 hour')")
		},
	})
	p.settled()
	p.sql("update messages set status = 'delivered' where id = 'old'")
	p.awaitRow("public.messages", "old", "status", "delivered")
	got := p.rec.of("public.messages", "old")
	if len(got) != 1 || got[0].op != source.Update || got[0].old != nil || got[0].identity != source.IdentityDefault {
		t.Fatalf("update under identity default: %+v", got)
	}
	if _, ok := got[0].row["content"]; ok {
		t.Error("the unchanged long content should not have been sent")
	}
	p.rt.Silence(true)
	p.sql("update messages set status = 'read' where id = 'old'")
	p.awaitRow("public.messages", "old", "status", "read")
	if got := p.rec.of("public.messages", "old"); len(got) != 2 || got[1].old["status"] != "delivered" || got[1].row["content"] == "" {
		t.Errorf("reconciled update: %+v", got)
	}
	p.rec.check(t)
}

func TestTableThatIsNotPublished(t *testing.T) {
	t.Parallel()
	p := start(t, setup{before: func(p *project) { p.sql("alter publication supabase_realtime drop table messages") }})
	p.await("the refusal", func() bool { return p.src.Stats().Channels[0].State == realtime.ChannelRefused })
	p.await("the other channel", func() bool { return p.src.Stats().Channels[1].State == realtime.ChannelLive })
	st := p.src.Stats()
	if want := "alter publication supabase_realtime add table public.messages"; !strings.Contains(st.Channels[0].Error, want) || !p.log.contains(want) {
		t.Errorf("no remedy: %q", st.Channels[0].Error)
	}
	if st.State != realtime.StateDegraded {
		t.Errorf("state %s", st.State)
	}
	// Until someone does it, the reconciler delivers.
	id := p.message("by the reconciler", "sent")
	p.awaitRow("public.messages", id, "body", "by the reconciler")
	p.sql("alter publication supabase_realtime add table messages")
	p.settled()
	if n := p.log.count("Please check Realtime is enabled"); n != 1 {
		t.Errorf("the refusal was logged %d times", n)
	}
	if e := p.src.Stats().Channels[0].Error; e != "" {
		t.Errorf("a live channel shows %q", e)
	}
}

func TestKeyThatExpires(t *testing.T) {
	t.Parallel()
	t.Run("and is replaced in time", func(t *testing.T) {
		t.Parallel()
		p := prepare(t, setup{})
		var key atomic.Value
		old := p.rt.Token(map[string]any{"role": "service_role", "exp": time.Hour})
		key.Store(old)
		p.run(setup{change: func(o *realtime.Options) {
			o.KeyFunc = func(context.Context) (string, error) { return key.Load().(string), nil }
		}})
		p.settled()
		key.Store(p.rt.Key())
		p.await("both channels to be confirmed anew", func() bool { return p.src.Stats().Gaps["resubscribed"] == 2 })
		p.rt.Expire(old)
		p.settled()
		p.await("a streamed change", func() bool {
			p.message("after the old key's end", "sent")
			return p.src.Stats().Streamed > 0
		})
		if st := p.src.Stats(); st.Connects != 1 || st.Channels[0].Joins != 1 {
			t.Errorf("the channel did not outlive the old key: %+v", st)
		}
	})
	t.Run("and is replaced late", func(t *testing.T) {
		t.Parallel()
		p := prepare(t, setup{})
		var key atomic.Value
		old := p.rt.Token(map[string]any{"role": "service_role", "exp": time.Hour})
		key.Store(old)
		p.run(setup{change: func(o *realtime.Options) {
			o.KeyFunc = func(context.Context) (string, error) { return key.Load().(string), nil }
		}})
		p.settled()
		p.rt.Expire(old)
		p.await("the key to be refused", func() bool { return p.src.Stats().Disconnects["refused_401"] > 0 })
		if e := p.src.Stats().Error; !strings.Contains(e, "the key has expired") || !strings.Contains(e, "source.realtime.key") {
			t.Errorf("no remedy: %q", e)
		}
		id := p.message("while shut out", "sent")
		key.Store(p.rt.Key())
		p.awaitRow("public.messages", id, "body", "while shut out")
		p.settled()
	})
}

func TestHandlerThatIsSlow(t *testing.T) {
	t.Parallel()
	p := prepare(t, setup{})
	stall := make(chan struct{})
	p.rec.stall = stall
	p.run(setup{change: func(o *realtime.Options) { o.QueueChanges = 10 }})
	p.await("the channels", func() bool { return p.src.State() == realtime.StateLive })
	for i := range 100 {
		p.message(fmt.Sprint("m", i), "sent")
	}
	p.await("the queue to overflow", func() bool { return p.src.Stats().Dropped["queue_full"] > 0 })
	if n := p.src.Stats().Queued; n > 10 {
		t.Errorf("%d changes wait, more than the bound", n)
	}
	if s := p.src.State(); s != realtime.StateLive {
		t.Errorf("a slow handler made the state %s", s)
	}
	close(stall)
	p.awaitTruth("messages", "body")
	p.rec.check(t)
}

func TestHandlersErrorEndsRun(t *testing.T) {
	t.Parallel()
	p := prepare(t, setup{})
	boom := errors.New("boom")
	p.rec.fail = boom
	src, err := realtime.New(p.options(setup{}))
	if err != nil {
		t.Fatal(err)
	}
	p.message("x", "sent")
	if err := src.Run(t.Context(), p.rec); !errors.Is(err, boom) {
		t.Errorf("Run returned %v", err)
	}
	if err := src.Run(t.Context(), p.rec); err == nil {
		t.Error("a second Run should be refused")
	}
	if src.State() != realtime.StateStopped {
		t.Errorf("state %s", src.State())
	}
}

func TestIdleIsCheap(t *testing.T) {
	t.Parallel()
	p := start(t, setup{before: func(p *project) {
		p.sql(`insert into messages (conversation_id, workspace_id, body, created_at)
			select $1, $2, 'x', now() - interval '10 minutes' - make_interval(secs => n) from generate_series(1, 500) n`, conversation, workspace)
	}})
	p.settled()
	before := p.src.Stats().Reconcile
	p.await("five comparisons", func() bool { return p.src.Stats().Reconcile.Passes >= before.Passes+5 })
	after := p.src.Stats().Reconcile
	passes, requests := after.Passes-before.Passes, after.Requests-before.Requests
	if requests > 5*passes {
		t.Errorf("%d requests for %d comparisons of 2 tables", requests, passes)
	}
	for _, u := range p.rest.Requests()[3:] {
		if strings.Contains(u, "select=%2A") {
			t.Errorf("whole rows were read though nothing changed: %s", u)
		}
	}
	if p.src.Stats().Reconciled != 0 {
		t.Errorf("%d rows were published though nothing changed", p.src.Stats().Reconciled)
	}
}

func TestGapThatCannotBeReadBack(t *testing.T) {
	t.Parallel()
	t.Run("no column to find changes by", func(t *testing.T) {
		t.Parallel()
		p := start(t, setup{
			schema: `create table notes (id int primary key, body text); create publication supabase_realtime for table notes;`,
			tables: []realtime.Table{{Schema: "public", Name: "notes"}},
		})
		p.settled()
		p.sql("insert into notes values (1, 'x')")
		p.awaitRow("public.notes", "1", "body", "x")
		p.rt.DropTCP()
		if !p.rec.until(waitLimit, func() bool { return len(p.rec.gaps) > 0 }) {
			t.Fatal("no gap was reported")
		}
		g := p.rec.gaps[0]
		if !strings.Contains(g.Reason, "public.notes") || !g.Until.After(g.Since) || g.Since.IsZero() {
			t.Errorf("gap: %+v", g)
		}
		if p.src.Stats().Channels[0].Reconcilable || !p.log.contains("source.kind postgres") {
			t.Error("the operator is not told")
		}
	})
	t.Run("longer than the window", func(t *testing.T) {
		t.Parallel()
		p := start(t, setup{change: func(o *realtime.Options) { o.Window = time.Second }})
		p.settled()
		p.rest.Fail(503, "")
		p.rt.Kill()
		down := time.Now()
		p.await("the window to pass", func() bool { return time.Since(down) > 1500*time.Millisecond })
		p.rest.Fail(0, "")
		p.again()
		if !p.rec.until(waitLimit, func() bool { return len(p.rec.gaps) > 0 }) {
			t.Fatal("no gap was reported")
		}
		if g := p.rec.gaps[0]; !strings.Contains(g.Reason, "window") {
			t.Errorf("gap: %+v", g)
		}
	})
}

func TestTableChangesItsShape(t *testing.T) {
	t.Parallel()
	p := start(t, setup{})
	p.settled()
	id := p.message("before", "sent")
	p.awaitRow("public.messages", id, "body", "before")
	p.sql("alter table messages add column mood text default 'fine'")
	p.rt.Silence(true)
	lost := p.message("lost", "sent")
	p.awaitRow("public.messages", lost, "mood", "fine")
	p.rt.Silence(false)
	p.settled()
	id = p.message("streamed", "sent")
	p.awaitRow("public.messages", id, "mood", "fine")
	p.sql("alter table messages drop column mood")
	id = p.message("dropped", "sent")
	p.awaitRow("public.messages", id, "body", "dropped")
	got := p.rec.of("public.messages", id)
	if len(got[0].rel.Columns) != 25 {
		t.Errorf("%d columns", len(got[0].rel.Columns))
	}
	p.rec.check(t)
}

func TestServerLimitsPagesAndHidesItsDescription(t *testing.T) {
	t.Parallel()
	p := start(t, setup{
		rest: postgrestdouble.Options{MaxRows: 9, NoOpenAPI: true},
		before: func(p *project) {
			p.sql(`insert into messages (conversation_id, workspace_id, body, created_at)
				select $1, $2, 'm' || n, now() - make_interval(secs => n) from generate_series(1, 50) n`, conversation, workspace)
		},
	})
	p.awaitTruth("messages", "body")
	p.settled()
	p.rt.DropTCP()
	for i := range 20 {
		p.message(fmt.Sprint("later ", i), "sent")
	}
	p.awaitTruth("messages", "body")
	p.rec.check(t)
}

func TestKeyWithoutRights(t *testing.T) {
	t.Parallel()
	p := start(t, setup{before: func(p *project) { p.sql("revoke select on messages from service_role") }})
	p.await("the reader's remedy", func() bool {
		return strings.Contains(p.src.Stats().Reconcile.Error, "grant select on the table to service_role")
	})
	p.awaitState(realtime.StateLive)
	p.message("unseen", "sent")
	p.await("the stream's remedy", func() bool { return p.log.contains("grant select on public.messages to service_role") })
	// The other table is not held up.
	p.sql("update conversations set unread_count = 5")
	p.awaitTruth("conversations", "unread_count")
	p.sql("grant select on messages to service_role")
	p.awaitTruth("messages", "body")
}
