package engineio_test

import (
	"testing"

	"chatbridge/socketio/engineio"
	"chatbridge/socketio/internal/rawclient"
)

// upgradeURL is where p's session is upgraded.
func upgradeURL(url string, p *rawclient.Polling) string { return url + ws + "&sid=" + p.SID }

func TestUpgrade(t *testing.T) {
	a := newApp()
	s, url := serve(t, a, nil)
	p := rawclient.OpenPolling(t, url)
	session := a.next(t)
	before := pollLater(t, s, p) // a poll that waits when the upgrade begins
	c := rawclient.Dial(t, upgradeURL(url, p))
	c.Send("2probe")
	c.Want("3probe")
	if r := <-before; r.Body != "6" {
		t.Errorf("the poll got %q, want a noop", r.Body)
	}
	p.Want("6") // and one that comes after the probe as well, a moment later
	session.Send(engineio.NewMessage([]byte("kept 1")))
	session.Send(engineio.NewMessage([]byte("kept 2")))
	if got := session.Transport(); got != "polling" {
		t.Errorf("transport %q before the upgrade", got)
	}
	c.Send("5", "4hello")
	c.Want("4kept 1", "4kept 2", "4hello")
	if got := session.Transport(); got != "websocket" {
		t.Errorf("transport %q after the upgrade", got)
	}
	if st := s.Stats(); st.Upgrades != 1 || st.Polling != 0 || st.WebSocket != 1 {
		t.Errorf("stats %+v", st)
	}
	// The session is not to be had by polling any more, nor by a second WebSocket.
	if r := p.Poll(); r.Status != 400 {
		t.Errorf("poll after the upgrade: %d", r.Status)
	}
	if r := p.Post("4x"); r.Status != 400 {
		t.Errorf("POST after the upgrade: %d", r.Status)
	}
	rawclient.Dial(t, upgradeURL(url, p)).WantClosed()
	c.Send("4still here")
	c.Want("4still here")
}

// A poll that is served before the upgrade packet that was sent before it: it must
// not hang, and not get what goes to the WebSocket.
func TestPollRacesUpgrade(t *testing.T) {
	a := newApp()
	s, url := serve(t, a, nil)
	for range 5 {
		p := rawclient.OpenPolling(t, url)
		c := rawclient.Dial(t, upgradeURL(url, p))
		c.Send("2probe")
		c.Want("3probe")
		late := pollLater(t, s, p)
		c.Send("5")
		if r := <-late; r.Status != 400 {
			t.Errorf("poll: %d %q, want 400", r.Status, r.Body)
		}
		c.Send("4x")
		c.Want("4x")
	}
}

// While the client upgrades, a poll that waits still gets messages, in order.
func TestMessagesDuringUpgrade(t *testing.T) {
	a := newApp()
	s, url := serve(t, a, nil)
	p := rawclient.OpenPolling(t, url)
	session := a.next(t)
	c := rawclient.Dial(t, upgradeURL(url, p))
	c.Send("2probe")
	c.Want("3probe")
	got := pollLater(t, s, p)
	session.Send(engineio.NewMessage([]byte("1")))
	if r := <-got; r.Body != "41" {
		t.Errorf("polled %q, want 41", r.Body)
	}
	p.WantPost("42")
	c.Send("5")
	c.Want("42")
}

func TestSecondUpgrade(t *testing.T) {
	_, url := serve(t, newApp(), nil)
	p := rawclient.OpenPolling(t, url)
	first := rawclient.Dial(t, upgradeURL(url, p))
	first.Send("2probe")
	first.Want("3probe")
	rawclient.Dial(t, upgradeURL(url, p)).WantClosed()
	first.Send("5", "4a")
	first.Want("4a")
}

// A failed upgrade leaves the session where it was, to be upgraded once more.
func TestFailedUpgrade(t *testing.T) {
	_, url := serve(t, newApp(), nil)
	p := rawclient.OpenPolling(t, url)
	for _, packets := range [][]string{{"4hello"}, {"2"}, {"5"}, {"2probe", "4hello"}, {"2probe", "2probe"}} {
		c := rawclient.Dial(t, upgradeURL(url, p))
		c.Send(packets...)
		if len(packets) == 2 {
			c.Want("3probe")
		}
		c.WantClosed()
	}
	p.WantPost("4polling")
	p.Want("4polling")
	c := rawclient.Dial(t, upgradeURL(url, p))
	c.Send("2probe")
	c.Want("3probe")
	c.Send("5", "4upgraded")
	c.Want("4upgraded")
}

// A session that ends takes its unfinished upgrade along.
func TestSessionEndsDuringUpgrade(t *testing.T) {
	a := newApp()
	_, url := serve(t, a, nil)
	p := rawclient.OpenPolling(t, url)
	c := rawclient.Dial(t, upgradeURL(url, p))
	c.Send("2probe")
	c.Want("3probe")
	a.next(t).CloseNow(engineio.ServerClose)
	c.WantClosed()
	a.wantClosed(t, engineio.ServerClose)
}
