package failover

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chatbridge/internal/chatengine"

	"github.com/jackc/pgx/v5"
)

// Verdict is how what the clients show differs from the database, counted over
// all clients.
type Verdict struct {
	Missing  int // messages that a client does not show
	Extra    int // messages that are not in the database
	Disorder int // conversations shown in another order
	Status   int // messages with another status
	List     int // conversations whose last message is another
	// Examples are some of the differences, for the log.
	Examples []string
}

// Clean reports whether there is no difference.
func (v Verdict) Clean() bool {
	return v.Missing+v.Extra+v.Disorder+v.Status+v.List == 0
}

func (v Verdict) String() string {
	return fmt.Sprintf("missing %d, extra %d, out of order %d, wrong status %d, wrong last message %d",
		v.Missing, v.Extra, v.Disorder, v.Status, v.List)
}

func (v *Verdict) example(format string, args ...any) {
	if len(v.Examples) < 20 {
		v.Examples = append(v.Examples, fmt.Sprintf(format, args...))
	}
}

// truth is what is in the database.
type truth struct {
	messages map[string][]string // a conversation's, newest first
	statuses map[string]string
	last     map[string]string // a conversation's last message
	inside   map[string]string // a conversation's workspace
}

// Compare compares the clients with the database once the writer has stopped: as
// soon as they agree, or as they are after the timeout. Only messages of the
// round count: a client that has loaded the page since knows earlier ones from
// there.
func Compare(t testing.TB, clients *Clients, database string, form chatengine.Form, round string, timeout time.Duration) Verdict {
	t.Helper()
	want := load(t, database, form, round+"-")
	deadline := time.Now().Add(timeout)
	for {
		v := want.judge(clients.each, clients.Digests(), round)
		if v.Clean() || time.Now().After(deadline) {
			return v
		}
		time.Sleep(250 * time.Millisecond)
	}
}

// load reads the messages whose names begin so, and all conversations.
func load(t testing.TB, database string, form chatengine.Form, names string) truth {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	w := truth{map[string][]string{}, map[string]string{}, map[string]string{}, map[string]string{}}
	scan := func(query string, take func(a, b, c string), args ...any) {
		rows, err := conn.Query(ctx, query, args...)
		if err == nil {
			var a, b, c string
			_, err = pgx.ForEachRow(rows, []any{&a, &b, &c}, func() error { take(a, b, c); return nil })
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	name, last := "external_id", `(select m.external_id from messages m where m.conversation_id = c.id order by m.created_at desc limit 1)`
	if form == chatengine.Agreeing {
		name, last = "id", `c.last_message->>'id'`
	}
	scan(`select `+name+`, conversation_id::text, status from messages where `+name+` like $1 order by created_at desc, id desc`,
		func(id, conversation, status string) {
			w.messages[conversation] = append(w.messages[conversation], id)
			w.statuses[id] = status
		}, names+"%")
	scan(`select c.id::text, c.workspace_id::text, coalesce(`+last+`, '') from conversations c`,
		func(id, workspace, last string) { w.last[id], w.inside[id] = last, workspace })
	return w
}

// judge compares each client with the truth.
func (w truth) judge(clients []Client, shown []Digest, round string) Verdict {
	var v Verdict
	for i, d := range shown {
		client := clients[i]
		for _, conversation := range client.Subscribe {
			w.judgeConversation(&v, i, conversation, d, round)
		}
		for conversation, workspace := range w.inside {
			if workspace == client.WorkspaceID && d.List[conversation] != w.last[conversation] {
				v.List++
				v.example("client %d lists %s with %q, is %q", i, conversation, d.List[conversation], w.last[conversation])
			}
		}
	}
	return v
}

func (w truth) judgeConversation(v *Verdict, client int, conversation string, d Digest, round string) {
	want := w.messages[conversation]
	got := slices.DeleteFunc(slices.Clone(d.Conversations[conversation]), func(id string) bool {
		return !strings.HasPrefix(id, round+"-")
	})
	missing, extra := difference(want, got), difference(got, want)
	v.Missing += len(missing)
	v.Extra += len(extra)
	if len(missing) > 0 {
		v.example("client %d is missing %d of %d in %s: %s … %s", client, len(missing), len(want), conversation, missing[len(missing)-1], missing[0])
	}
	if len(extra) > 0 {
		v.example("client %d has %d in %s that are not in the database: %s", client, len(extra), conversation, extra[0])
	}
	if len(missing)+len(extra) == 0 && !slices.Equal(want, got) {
		v.Disorder++
		for i := range want {
			if want[i] != got[i] {
				v.example("client %d shows %s at place %d of %s, is %s", client, got[i], len(want)-i, conversation, want[i])
				v.example("  came: %s, and before it %s; should have: %s; connection: %v",
					d.Arrivals[got[i]], d.Arrivals[got[min(i+1, len(got)-1)]], d.Arrivals[want[i]], d.Log)
				break
			}
		}
	}
	for _, id := range got {
		if is, ok := w.statuses[id]; ok && d.Statuses[id] != is {
			v.Status++
			v.example("client %d shows %s as %s, is %s", client, id, d.Statuses[id], is)
		}
	}
}

// difference returns the elements of a that are not in b.
func difference(a, b []string) []string {
	in := make(map[string]bool, len(b))
	for _, id := range b {
		in[id] = true
	}
	var out []string
	for _, id := range a {
		if !in[id] {
			out = append(out, id)
		}
	}
	return out
}
