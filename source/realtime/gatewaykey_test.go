package realtime_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chatbridge/internal/realtimedouble"
	"chatbridge/source/realtime"
)

// TestGatewayToken: a key of the new kind is good for longer than the token that the
// gateway puts in its place.
func TestGatewayToken(t *testing.T) {
	t.Parallel()
	p := start(t, setup{
		double: realtimedouble.Options{SecretKey: "sb_secret_hidden"},
		change: func(o *realtime.Options) { o.Key, o.Timing.Refused = "sb_secret_hidden", time.Hour },
	})
	p.settled()
	for n := range uint64(2) {
		p.rt.ExpireMinted()
		id := p.message("when the token has ended", "sent")
		p.awaitRow("public.messages", id, "body", "when the token has ended")
		p.await("another connection", func() bool { return p.src.Stats().Connects == n+2 })
		p.settled()
	}
	st := p.src.Stats()
	if st.Disconnects["token"] != 2 || st.Error != "" || st.Channels[0].Error != "" {
		t.Errorf("stats: %+v", st)
	}
	if p.log.contains("level=WARN") || !p.log.contains("level=INFO msg=\"connection to Realtime ended as expected") {
		t.Error("the end of the gateway's token was not logged as information")
	}
}

// TestKeyReplacedWakesTheDial: whoever puts a new key in need not wait for the next
// attempt with it.
func TestKeyReplacedWakesTheDial(t *testing.T) {
	t.Parallel()
	p := prepare(t, setup{})
	var key atomic.Value
	old := p.rt.Token(map[string]any{"role": "service_role", "exp": time.Hour})
	key.Store(old)
	p.run(setup{change: func(o *realtime.Options) {
		o.KeyFunc = func(context.Context) (string, error) { return key.Load().(string), nil }
		o.Timing.Refused = time.Hour
	}})
	p.settled()
	p.rt.Expire(old)
	p.await("the key to be refused", func() bool {
		return p.src.Stats().Disconnects["refused_401"] > 0 && strings.Contains(p.src.Stats().Error, "the key has expired")
	})
	key.Store(p.rt.Key())
	p.src.KeyReplaced()
	p.settled()
}
