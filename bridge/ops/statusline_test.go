package ops

import (
	"testing"

	"chatbridge/bridge/gateway"
	"chatbridge/bridge/gateway/spool"
)

func TestStatusLine(t *testing.T) {
	flows := Snapshot{Source: Health{State: StateStreaming, Flowing: true, LagBytes: 1536, Lag: 0.25}}
	flows.Sockets.WebSocket, flows.Sockets.Polling = 1230, 4
	away := Snapshot{
		Source:  Health{State: StateRetrying, LagBytes: -1, Reason: "dial postgres://bridge:secret@db: refused"},
		Gateway: &gateway.Stats{Status: gateway.Status{State: gateway.Local, Reason: "upstream is down"}},
	}
	passes, polls := flows, flows
	passes.Gateway = &gateway.Stats{Status: gateway.Status{State: gateway.Upstream, Reason: "started"}, Websockets: 40, Requests: 2}
	polls.Gateway = &gateway.Stats{Status: gateway.Status{State: gateway.Upstream, Reason: "started"}, Requests: 1}
	keeps, broken := flows, flows
	keeps.Spool, broken.Spool = &spool.Stats{Open: true, Waiting: 7, Dead: 2}, &spool.Stats{}
	for want, s := range map[string]Snapshot{
		"streaming, 1.5 KiB behind (0.25 s); 1234 clients (1230 websocket, 4 polling); 42 at ChatEngine through the bridge (40 websocket, 2 polling requests); gateway upstream: started": passes,
		"streaming, 1.5 KiB behind (0.25 s); 1234 clients (1230 websocket, 4 polling); 1 at ChatEngine through the bridge (0 websocket, 1 polling request); gateway upstream: started":    polls,
		"streaming, 1.5 KiB behind (0.25 s); 1234 clients (1230 websocket, 4 polling)":                                                                                                    flows,
		"retrying; 0 clients (0 websocket, 0 polling); gateway local: upstream is down; dial postgres://bridge:[redacted]@db: refused":                                                    away,
		"streaming, 1.5 KiB behind (0.25 s); 1234 clients (1230 websocket, 4 polling); 9 webhooks kept, 2 of them dead letters":                                                           keeps,
		"streaming, 1.5 KiB behind (0.25 s); 1234 clients (1230 websocket, 4 polling); 0 webhooks kept, 0 of them dead letters (the spool is not available)":                              broken,
	} {
		if got := s.line(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 5 << 20: "5.0 MiB", 3 << 40: "3.0 TiB"} {
		if got := bytesText(n); got != want {
			t.Errorf("%d bytes are %q, want %q", n, got, want)
		}
	}
}
