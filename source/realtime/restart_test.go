package realtime_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"chatbridge/source"
	"chatbridge/source/ledgerfile"
	"chatbridge/source/realtime"
)

// ledgerAt is the change of options that keeps the ledger in a file.
func ledgerAt(path string) func(*realtime.Options) {
	return func(o *realtime.Options) {
		f := ledgerfile.Options{Path: path, Identity: "the project", Interval: 10 * time.Millisecond}
		for _, t := range o.Tables {
			f.Tables = append(f.Tables, t.String())
		}
		o.Ledger = ledgerfile.New(f)
	}
}

// restart starts another source, as a restart of the process does; what the clients have
// stays.
func (p *project) restart(s setup) {
	p.t.Helper()
	_ = p.stop()
	p.rec.mu.Lock()
	p.rec.last, p.rec.changes = source.Tx{}, nil
	p.rec.mu.Unlock()
	p.run(s)
}

// messageOf inserts a message of an age and returns its id.
func (p *project) messageOf(age time.Duration, body, status string) (id string) {
	p.t.Helper()
	if err := p.db.QueryRow(p.t.Context(), `insert into messages (conversation_id, workspace_id, body, status, created_at)
		values ($1, $2, $3, $4, clock_timestamp() - $5::interval) returning id::text`,
		conversation, workspace, body, status, fmt.Sprint(age.Seconds(), " seconds")).Scan(&id); err != nil {
		p.t.Fatal(err)
	}
	return id
}

// TestRestart: what was committed while no process ran comes with the first comparison,
// statuses of messages that are remembered included; what has not changed does not.
func TestRestart(t *testing.T) {
	t.Parallel()
	var read, untouched []string
	s := setup{
		change: ledgerAt(filepath.Join(t.TempDir(), "ledger")),
		before: func(p *project) {
			for i := range 50 {
				read = append(read, p.messageOf(time.Duration(i+1)*20*time.Minute, "old", "sent"))
			}
			for range 20 {
				untouched = append(untouched, p.messageOf(3*time.Hour, "old", "sent"))
			}
		},
	}
	p := start(t, s)
	p.settled()
	streamed := p.message("before the stop", "sent")
	p.awaitRow("public.messages", streamed, "status", "sent")
	_ = p.stop()

	// A stop of ten minutes, by the rows' times: statuses, inserts from its first
	// second on, and a conversation.
	for _, id := range read {
		p.status(id, "read")
	}
	var inserted []string
	for i := range 50 {
		inserted = append(inserted, p.messageOf(10*time.Minute-time.Duration(i)*12*time.Second, "meanwhile", "delivered"))
	}
	p.sql("update conversations set unread_count = 51, updated_at = clock_timestamp() - interval '9 minutes' where id = $1", conversation)
	p.restart(s)
	for _, id := range read {
		p.awaitRow("public.messages", id, "status", "read")
	}
	for _, id := range inserted {
		p.awaitRow("public.messages", id, "status", "delivered")
	}
	p.awaitRow("public.conversations", conversation, "unread_count", "51")
	p.settled()
	p.rec.check(t)
	for _, id := range untouched {
		if got := p.rec.of("public.messages", id); len(got) > 0 {
			t.Fatalf("a message that had not changed was published: %v", got)
		}
	}
	for _, id := range read {
		if got := p.rec.of("public.messages", id); len(got) != 1 || got[0].op != source.Update || got[0].old["status"] != "sent" {
			t.Fatalf("a status that had changed came as %v", got)
		}
	}
	for _, id := range inserted {
		if p.rec.client[id] != "delivered" {
			t.Fatalf("a client shows %q of a message from meanwhile", p.rec.client[id])
		}
		// What is read back is an update and an insert.
		if got := p.rec.of("public.messages", id); len(got) > 2 {
			t.Fatalf("a message from meanwhile came as %v", got)
		}
	}
	if len(p.rec.gaps) > 0 {
		t.Errorf("told of gaps: %+v", p.rec.gaps)
	}
	// What was published right before the end may not have been received.
	if got := p.rec.of("public.messages", streamed); len(got) == 0 {
		t.Error("a message that was published right before the end was not published again")
	}
}
