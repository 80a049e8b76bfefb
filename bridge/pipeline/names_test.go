package pipeline_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"chatbridge/bridge/hub"
	"chatbridge/bridge/pipeline"
	"chatbridge/mapping"
	"chatbridge/mapping/engine"
	"chatbridge/socketio"
	"chatbridge/source"
)

// broadcasts notes what is broadcast.
type broadcasts struct {
	*socketio.Namespace
	packets []string
}

func (b *broadcasts) BroadcastTo(p *socketio.Packet, _ ...*socketio.Room) int {
	b.packets = append(b.packets, string(p.Text()))
	return 0
}

// nobody is a client's connection that takes everything.
type nobody struct{}

func (nobody) Join(string) error                                 { return nil }
func (nobody) Leave(string)                                      {}
func (nobody) Pause(bool)                                        {}
func (nobody) SendPaced(context.Context, *socketio.Packet) error { return nil }

// TestMessagesGoByTheNameAskedFor: replay.message_ids says by which id messages go; a
// status goes by each.
func TestMessagesGoByTheNameAskedFor(t *testing.T) {
	t.Parallel()
	spec, err := mapping.Load("crm", "")
	if err != nil {
		t.Fatal(err)
	}
	columns := []string{"id", "workspace_id", "conversation_id", "created_at", "body", "status", "type", "external_id", "client_id"}
	messages := &source.Relation{Schema: "public", Name: "messages", Identity: source.IdentityFull}
	for _, c := range columns {
		messages.Columns = append(messages.Columns, source.Column{Name: c, Key: c == "id"})
	}
	row := func(id, status, external, client string) source.Row {
		var out source.Row
		for _, v := range []string{id, "w", "c", "2026-01-01 00:00:00+00", "hi", status, "text", external, client} {
			out = append(out, source.Value{Kind: source.Text, Data: []byte(v)})
		}
		return out
	}
	for names, want := range map[pipeline.Names][]string{
		pipeline.ClientsIDs:    {"m1 m1", "m2 m2", "m3 m3", "m1 m1", "3EB0 m1"},
		pipeline.RowIDs:        {"m1 m1", "m2 m2", "m3 m3", "m1 m1", "3EB0 m1"},
		pipeline.ChatEngineIDs: {"3EB0 m1", "opt_2 m2", "m3 m3", "m1 m1", "3EB0 m1"},
	} {
		io, err := socketio.New(socketio.DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		sent := &broadcasts{Namespace: io.Namespace(hub.Namespace)}
		h := hub.New(sent, hub.DefaultOptions())
		c := &hub.Client{Workspace: "w", User: "u"}
		h.Attach(c, nobody{}, "", time.Time{})
		p := pipeline.New(spec, engine.Options{}, h, slog.New(slog.DiscardHandler))
		p.NameMessages(names)
		tx := source.Tx{Commit: 1, Time: time.Now()}
		if err := p.Begin(tx); err != nil {
			t.Fatal(err)
		}
		for _, change := range []source.Change{
			{Op: source.Insert, New: row("m1", "sent", "3EB0", "")},
			{Op: source.Insert, New: row("m2", "sent", "3EB02", "opt_2")},
			{Op: source.Insert, New: row("m3", "sent", "", "")},
			{Op: source.Update, Old: row("m1", "sent", "3EB0", ""), New: row("m1", "read", "3EB0", "")},
		} {
			change.Relation = messages
			if err := p.Change(&change); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Commit(tx); err != nil {
			t.Fatal(err)
		}
		h.Detach(c)
		var got []string
		id := func(packet, member string) string {
			_, rest, _ := strings.Cut(packet, `"`+member+`":"`)
			rest, _, _ = strings.Cut(rest, `"`)
			return rest
		}
		for i, packet := range sent.packets {
			switch {
			case strings.HasPrefix(packet, `2["message",`):
				got = append(got, fmt.Sprintf("%s m%d", id(packet, "id"), i+1))
			case strings.HasPrefix(packet, `2["messageStatus",`):
				got = append(got, id(packet, "messageId")+" m1")
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d: %q, want %q\n%s", names, got, want, strings.Join(sent.packets, "\n"))
		}
	}
}
