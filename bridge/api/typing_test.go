package api_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chatbridge/bridge/api"
	"chatbridge/bridge/hub"
	"chatbridge/mapping/contract"
	"chatbridge/socketio"
	"chatbridge/source"
)

// ownConversations has those of a workspace that begin with its name, and counts
// questions.
type ownConversations struct{ asked atomic.Int64 }

func (o *ownConversations) Has(_ context.Context, workspace, conversation string) (bool, error) {
	o.asked.Add(1)
	if conversation == "no answer" {
		return false, errors.New("the database is away")
	}
	return strings.HasPrefix(conversation, workspace), nil
}

// typist is a client that says that it types, and a colleague that hears it.
type typist struct {
	*person
	colleague *person
	asked     *ownConversations
	server    *api.Server
}

func startTyping(t *testing.T) *typist {
	t.Helper()
	o := new(ownConversations)
	opts := api.Options{
		SocketIO: socketio.DefaultOptions(), Hub: hub.DefaultOptions(), ExpiryGrace: -1, Logger: slog.New(slog.DiscardHandler),
		Conversations: o,
	}
	opts.SocketIO.Path = "/api/ws"
	server, url := serve(t, opts, named{})
	url = "ws" + strings.TrimPrefix(url, "http")
	p := &typist{join(t, url, "w1/ana/1h", ""), join(t, url, "w1/bob/1h", ""), o, server}
	awaitLive(t, server)
	return p
}

// types returns the acknowledgement.
func (p *typist) types(conversation string) string {
	p.t.Helper()
	p.say(fmt.Sprintf(`421["typing",{"conversationId":%q,"isTyping":true}]`, conversation))
	for {
		switch text := p.next(); {
		case strings.HasPrefix(text, "431"):
			return text
		case strings.HasPrefix(text, `42["error"`):
			p.t.Errorf("a notice about %s was answered %s", conversation, text)
		}
	}
}

// TestTypingIsDroppedForConversationsOfOthers: a notice about a conversation of
// another workspace, or of none, reaches nobody.
func TestTypingIsDroppedForConversationsOfOthers(t *testing.T) {
	t.Parallel()
	p := startTyping(t)
	for _, conversation := range []string{"w2-a", "none"} {
		if got := p.types(conversation); !strings.Contains(got, `"unknown_conversation"`) {
			t.Errorf("a notice about %s was answered %s", conversation, got)
		}
	}
	for _, conversation := range []string{"w1-a", "no answer", "w1-a"} {
		if got := p.types(conversation); got != `431[{"ok":true}]` {
			t.Errorf("a notice about %s was answered %s", conversation, got)
		}
		want := fmt.Sprintf(`42["typing",{"conversationId":%q,`, conversation)
		if got := p.colleague.until(`42["typing"`); !strings.HasPrefix(got, want) {
			t.Errorf("the colleague got %s, want %s", got, want)
		}
	}
	if n := p.asked.asked.Load(); n != 4 {
		t.Errorf("%d questions were asked about four conversations", n)
	}
	// A message's row may name any conversation, and then there are events of it in the
	// log: they prove nothing.
	for i, kind := range []contract.Kind{contract.Message, contract.Conversation} {
		p.server.Hub().Publish(&hub.Event{
			Position: source.Position{Commit: 1, Index: uint32(i + 1)}, Kind: kind, Workspace: []byte("w1"), Conversation: []byte("w2-b"),
			Packet: socketio.NewEvent(hub.Namespace, kind.String(), []byte(`{}`), []byte(`"x"`)),
		}, time.Now())
	}
	if got := p.types("w2-b"); !strings.Contains(got, `"unknown_conversation"`) {
		t.Errorf("a notice about another's conversation that a message names was answered %s", got)
	}
	if got := p.server.Stats().EventsRefused["unknown_conversation"]; got != 3 {
		t.Errorf("%d were counted", got)
	}
}

// TestTypingAsksABoundedNumberOfQuestions: one workspace's clients that name ever new
// conversations are not asked about without end, and another's are asked about all
// the same.
func TestTypingAsksABoundedNumberOfQuestions(t *testing.T) {
	t.Parallel()
	p := startTyping(t)
	const notices, atOnce, perSecond = 300, 100, 10 // fewer than the packets that a client may send at once
	began, limited := time.Now(), int64(0)
	for i := range notices {
		if strings.Contains(p.types(fmt.Sprintf("w2-%d", i)), `"typing_rate"`) {
			limited++
		}
	}
	most := atOnce + int64(perSecond*time.Since(began).Seconds()) + 1
	if asked := p.asked.asked.Load(); asked > most || asked+limited != notices {
		t.Errorf("%d of %d notices were limited, %d questions were asked, at most %d are right", limited, notices, asked, most)
	}
	if f := api.JudgeTyping(p.server, "w2", "w2-a"); f != "" {
		t.Errorf("another workspace's notice is dropped: %s", f)
	}
}
