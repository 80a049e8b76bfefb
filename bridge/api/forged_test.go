package api_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"chatbridge/bridge/gateway"
	"chatbridge/internal/sioclient"
)

// TestAForgedFeedIsAClient: one that sends the header of the gateway's own
// connections is counted and closed like the others, and gets no answers that
// are the gateway's.
func TestAForgedFeedIsAClient(t *testing.T) {
	for _, value := range []string{"1", "true", gateway.CatchUpHeader, " ", "AAAAAAAAAAAAAAAAAAAAAAAAAA"} {
		h := startHub(t, nil)
		before := idle(t, h.server, "ws"+strings.TrimPrefix(h.url, "http"))
		connected, refused := make(chan struct{}, 1), make(chan struct{}, 1)
		client, err := sioclient.New(sioclient.Options{
			URL: h.url, Auth: map[string]any{"token": "w"}, Header: http.Header{gateway.CatchUpHeader: {value}},
			OnConnect: func(sioclient.Session) { connected <- struct{}{} },
			OnEvent: func(e sioclient.Event) {
				if e.Name != "error" {
					t.Errorf("%q: got %s", value, e.Name)
				}
				refused <- struct{}{}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = client.Run(ctx) }()
		<-connected
		if err := client.Emit(gateway.SyncEvent, 1); err != nil {
			t.Fatal(err)
		}
		<-refused
		if feeds := h.server.Hub().Stats().Feeds; feeds != 0 {
			t.Errorf("%q: %d of the gateway's own connections", value, feeds)
		}
		if n := h.server.Shed(10); n != 1 {
			t.Errorf("%q: %d clients could be closed, want 1", value, n)
		}
		cancel()
		<-done
		before.Await(t)
	}
}
