package demorun_test

import (
	"context"
	"encoding/json"
	"os"
	"testing"
	"time"

	"chatbridge/demo"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/mapping"
	"chatbridge/mapping/contract"
	"chatbridge/mapping/eventschema"
	"chatbridge/mapping/internal/pipelinetest"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// The demo's traffic through the whole path: every event fits the contract, and
// what a client that got them all would show at the end is what the database
// has.
func TestDemoTraffic(t *testing.T) {
	t.Parallel()
	const messages = 300
	p, err := pipelinetest.New(t)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := mapping.Load("crm", "")
	if err != nil {
		t.Fatal(err)
	}
	l, err := p.Reset(t.Context(), spec, true, []string{schemas.CRM}, "public.messages, public.conversations")
	if err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.New(t.Context(), p.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	traffic, err := demo.NewTraffic(t.Context(), pool, 200, 1)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), pipelinetest.Timeout)
	done := make(chan error, 1)
	go func() { done <- traffic.Run(ctx) }()
	for tick := time.NewTicker(10 * time.Millisecond); traffic.Messages() < messages && ctx.Err() == nil; <-tick.C {
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	// A statement that the end has interrupted may still be committed.
	for busy := 1; busy > 0; {
		if err := pool.QueryRow(t.Context(), `select count(*) from pg_stat_activity
			where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid() and state <> 'idle'`).Scan(&busy); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Run(t.Context(), 1, "select 1"); err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if s := l.Stats(); s.LastError != nil {
		t.Error("a lookup failed:", s.LastError)
	}
	v, err := eventschema.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range p.Lines {
		var e pipelinetest.Line
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if err := v.Validate(e.Event, e.Data); err != nil {
			t.Errorf("%v\n%s", err, line)
		}
	}
	if len(p.Warnings) > 0 {
		t.Errorf("warnings: %v", p.Warnings)
	}
	compareScreen(t, pool, screenOf(t, p.Lines))
}

// screen is what a client shows after all events.
type screen struct {
	status  map[string]string // of messages
	content map[string]string
	last    map[string]string // conversation → its last message
	name    map[string]string // conversation → its participant
	typing  map[string]bool
	kinds   map[string]int
}

func screenOf(t *testing.T, lines []string) screen {
	t.Helper()
	var before contract.MessageStatusUpdate
	s := screen{map[string]string{}, map[string]string{}, map[string]string{}, map[string]string{}, map[string]bool{}, map[string]int{}}
	for _, line := range lines {
		var e pipelinetest.Line
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		s.kinds[e.Event]++
		var err error
		switch e.Event {
		case "message":
			var m contract.WebSocketMessage
			err = json.Unmarshal(e.Data, &m)
			s.status[m.ID], s.content[m.ID] = m.Status, m.Content
		case "messageStatus":
			var m contract.MessageStatusUpdate
			err = json.Unmarshal(e.Data, &m)
			if s.status[m.MessageID] != "" {
				s.status[m.MessageID] = m.Status
			} else if m.Status != before.Status || m.ConversationID != before.ConversationID {
				t.Errorf("a status of a message that was not sent: %s", line) // nor again, under another id of it
			}
			before = m
		case "conversation":
			var c contract.WebSocketConversation
			err = json.Unmarshal(e.Data, &c)
			if c.LastMessage != nil {
				s.last[c.ID] = c.LastMessage.ID
			}
			if len(c.Participants) == 1 {
				s.name[c.ID] = c.Participants[0].Name
			}
		case "typing":
			var u contract.TypingUpdate
			err = json.Unmarshal(e.Data, &u)
			s.typing[u.ConversationID] = u.IsTyping
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// compareScreen holds the screen against the database.
func compareScreen(t *testing.T, pool *pgxpool.Pool, s screen) {
	t.Helper()
	var id, body, conversation, last, name string
	var typing bool
	words := map[string]string{
		"sending": "pending", "pending": "pending", "0": "pending", "sent": "sent", "server_ack": "sent", "1": "sent", "delivered": "delivered",
		"delivery_ack": "delivered", "2": "delivered", "read": "read", "played": "read", "3": "read", "4": "read", "5": "read", "failed": "failed", "error": "failed", "-1": "failed",
	}
	var status string
	rows, err := pool.Query(t.Context(), "select id, body, lower(status) from messages")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	_, err = pgx.ForEachRow(rows, []any{&id, &body, &status}, func() error {
		n++
		if s.status[id] != words[status] || s.content[id] != body {
			t.Errorf("message %s: shown as %q, %q; the database has %q, %q", id, s.status[id], s.content[id], status, body)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n < 100 || s.kinds["messageStatus"] < 30 || s.kinds["typing"] < 10 || s.kinds["conversation"] < n {
		t.Errorf("%d messages, events %v: too little happened", n, s.kinds)
	}
	rows, err = pool.Query(t.Context(), `select c.id, m.id, p.name, coalesce(c.is_typing, false) from conversations c join contacts p on p.id = c.contact_id
		cross join lateral (select id from messages where conversation_id = c.id order by created_at desc, id desc limit 1) m`)
	if err != nil {
		t.Fatal(err)
	}
	_, err = pgx.ForEachRow(rows, []any{&conversation, &last, &name, &typing}, func() error {
		if s.last[conversation] != last || s.name[conversation] != name || s.typing[conversation] != typing {
			t.Errorf("conversation %s: shown with %q, %q, %v; the database has %q, %q, %v", conversation, s.last[conversation], s.name[conversation], s.typing[conversation], last, name, typing)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
