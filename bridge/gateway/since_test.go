package gateway_test

import (
	"net/http"
	"regexp"
	"testing"
	"time"

	"chatbridge/bridge/gateway"
)

// TestClientsBringTheirSince: a client that comes to ChatEngine for the first time gets
// a private id that tells how far the bridge had read, and keeps it for good; the
// bridge is told it with the hand-over, by nobody else.
func TestClientsBringTheirSince(t *testing.T) {
	t.Parallel()
	told := make(chan string, 8)
	head := "0AF"
	p := newPair(t, func(o *gateway.Options) {
		local := o.Local
		o.Local = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			told <- gateway.Since(r.Header, "")
			local.ServeHTTP(w, r)
		})
		o.Since = func() string { return head }
	})
	pid := func(connect, answer, since string) string {
		client := p.connect(t)
		engine := next(t, "connection to ChatEngine", p.engine.conns)
		send(t, client, connect)
		next(t, "connection to the bridge", p.bridge.conns)
		if got := next(t, "request to the bridge", told); got != since {
			t.Errorf("%s: the bridge is told %q, want %q", connect, got, since)
		}
		send(t, engine, answer)
		got := receive(t, client, 1)[0]
		client.Close()
		if m := regexp.MustCompile(`^40\{"sid":"e","pid":"(_\.[A-Z0-9]+\.(\w+)\.[0-9a-z]+)"\}$`).FindStringSubmatch(got); m != nil && m[2] == since {
			return m[1]
		}
		return got
	}
	first := pid(`40{"token":"t"}`, `40{"sid":"e"}`, "0AF")
	if !gateway.OfUpstream(first) {
		t.Fatalf("the client's private id is in %s", first)
	}
	head = "0FF"
	if again := pid(`40{"token":"t","pid":"`+first+`"}`, `40{"sid":"e"}`, "0AF"); !gateway.OfUpstream(again) || again == first {
		t.Errorf("then its private id is %s", again)
	}
	if other := pid(`40{"token":"t","pid":"mabc.r"}`, `40{"sid":"e"}`, "0FF"); !gateway.OfUpstream(other) {
		t.Errorf("the private id of a client of the bridge's is %s", other)
	}
	if own := pid(`40{"token":"t"}`, `40{"sid":"e","pid":"own"}`, "0FF"); own != `40{"sid":"e","pid":"own"}` {
		t.Errorf("ChatEngine's own became %s", own)
	}
}

// TestCutBeforeItWasCaughtUp: a client that is cut before it has been sent what it came for
// lacks it the next time too, as far as this gateway and any other can tell; one that has
// been sent it lacks what comes after.
func TestCutBeforeItWasCaughtUp(t *testing.T) {
	t.Parallel()
	left := time.Now().Add(-time.Hour)
	p := newPair(t, func(o *gateway.Options) {
		o.Since = func() string { return "" }
		o.OwedSince = func(pid, offset string) time.Time {
			if pid != "p" || offset != "o" {
				return time.Time{}
			}
			return left
		}
	})
	pids := regexp.MustCompile(`"pid":"(_\.[A-Z0-9]+\.\.[0-9a-z]+)"`)
	for _, cut := range []bool{true, false} {
		p.bridge.mute.Store(cut)
		client := p.connect(t)
		engine := next(t, "connection to ChatEngine", p.engine.conns)
		send(t, client, connectPacket)
		bridge := next(t, "connection to the bridge", p.bridge.conns)
		send(t, engine, `40{"sid":"e"}`)
		p.bridge.send(t, bridge, `40{"sid":"b"}`)
		m := pids.FindStringSubmatch(receive(t, client, 1)[0])
		if m == nil {
			t.Fatal("it got no private id")
		}
		if cut {
			client.Close()
			awaitFor(t, "its end", func() bool { return p.Stats().CatchUps["gone"] == 1 })
		} else {
			awaitFor(t, "the end of the hand-over", func() bool { return p.Stats().CatchUps["done"] == 1 })
		}
		if since := p.LeftUpstreamSince(m[1]); since.Before(left) != cut || since.Before(left.Add(-2*time.Minute)) {
			t.Errorf("cut: %t: this gateway says %v, it had left at %v", cut, since, left)
		}
		if since := gateway.UpstreamSince(m[1]); !since.Before(left) || since.Before(left.Add(-2*time.Minute)) {
			t.Errorf("cut: %t: another gateway says %v, it had left at %v", cut, since, left)
		}
	}
}
