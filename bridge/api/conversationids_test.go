package api_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"chatbridge/bridge/api"
	"chatbridge/bridge/hub"
	"chatbridge/socketio"
)

// writing is a database of conversations.
type writing struct {
	ownConversations
	written func(id string) (string, error)
}

func (w *writing) Written(_ context.Context, _, conversation string) (string, error) {
	w.asked.Add(1)
	return w.written(conversation)
}

// TestIDsInCapitals are as the database writes them, which is asked once.
func TestIDsInCapitals(t *testing.T) {
	t.Parallel()
	const capitals, other = "C5E00000-0000-4000-8000-00000000000A", "C5E00000-0000-4000-8000-00000000000B"
	for name, tt := range map[string]struct {
		written func(string) (string, error)
		want    func(string) string
		asked   int64
	}{
		"uuid":      {func(id string) (string, error) { return strings.ToLower(id), nil }, strings.ToLower, 1},
		"text":      {func(id string) (string, error) { return id, nil }, strings.Clone, 1},
		"none":      {func(string) (string, error) { return "", nil }, strings.Clone, 2},
		"no answer": {func(string) (string, error) { return "", errors.New("away") }, strings.Clone, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &writing{written: tt.written}
			opts := api.Options{SocketIO: socketio.DefaultOptions(), Hub: hub.DefaultOptions(), Logger: slog.New(slog.DiscardHandler), Conversations: w}
			opts.SocketIO.Path = "/api/ws"
			server, _ := serve(t, opts, named{})
			for _, id := range []string{"W1-A", strings.ToLower(capitals), "C5E0"} {
				if got := server.ConversationID("w1", id); got != id || w.asked.Load() > 0 {
					t.Errorf("%s became %s, %d were asked for", id, got, w.asked.Load())
				}
			}
			for _, id := range []string{capitals, other} {
				if got := server.ConversationID("w1", id); got != tt.want(id) {
					t.Errorf("%s became %s", id, got)
				}
			}
			if n := w.asked.Load(); n != tt.asked {
				t.Errorf("asked %d times", n)
			}
		})
	}
}
