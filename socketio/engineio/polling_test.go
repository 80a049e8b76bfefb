package engineio_test

import (
	"context"
	"strings"
	"testing"

	"chatbridge/socketio/engineio"
	"chatbridge/socketio/internal/rawclient"
)

func TestPollingMessages(t *testing.T) {
	_, url := serve(t, newApp(), nil)
	p := rawclient.OpenPolling(t, url)
	r := p.Post("4hello")
	if r.Status != 200 || r.Body != "ok" || r.Header.Get("Content-Type") != "text/html" {
		t.Errorf("POST: %d %q %v", r.Status, r.Body, r.Header)
	}
	p.Want("4hello")
	p.WantPost("4test1\x1e4test2\x1e4test3")
	p.Want("4test1\x1e4test2\x1e4test3")
	p.WantPost("bAQIDBA==")
	p.Want("bAQIDBA==")
	p.WantPost("4\x1e4é✓")
	p.Want("4\x1e4é✓")
}

// A poll that waits is answered as soon as there is something.
func TestPollWaits(t *testing.T) {
	a := newApp()
	s, url := serve(t, a, nil)
	p := rawclient.OpenPolling(t, url)
	session := a.next(t)
	got := pollLater(t, s, p)
	session.Send(engineio.NewMessage([]byte("late"), []byte{1, 2, 3}))
	if r := <-got; r.Body != "4late\x1ebAQID" {
		t.Errorf("got %q", r.Body)
	}
}

// A proxy that finds a server gone asks another one the same again, without the client's
// knowing. What the first answer had is in the second one, however often.
func TestARepeatedPollIsAnsweredAgain(t *testing.T) {
	a := newApp()
	_, url := serve(t, a, nil)
	sid := rawclient.SID(t, rawclient.Do(t, "GET", url+"?EIO=4&transport=polling&t=a", "").Body)
	session := a.next(t)
	poll := func(mark, want string) {
		t.Helper()
		if r := rawclient.Do(t, "GET", url+"?EIO=4&transport=polling&sid="+sid+"&t="+mark, ""); r.Status != 200 || r.Body != want {
			t.Errorf("the poll %s got %d %q, want %q", mark, r.Status, r.Body, want)
		}
	}
	session.Send(engineio.NewMessage([]byte("1")))
	poll("b", "41")
	session.Send(engineio.NewMessage([]byte("2")))
	poll("b", "41")
	poll("b", "41")
	poll("c", "42")
	session.Send(engineio.NewMessage([]byte("3")))
	poll("d", "43")
}

// A client whose polls all look the same is given each message once.
func TestPollsThatLookTheSameAreNotRepeated(t *testing.T) {
	for _, mark := range []string{"", "&t=", "&t=x"} {
		a := newApp()
		_, url := serve(t, a, nil)
		query := "?EIO=4&transport=polling" + mark
		sid := rawclient.SID(t, rawclient.Do(t, "GET", url+query, "").Body)
		session := a.next(t)
		for _, text := range []string{"1", "2", "3"} {
			session.Send(engineio.NewMessage([]byte(text)))
			if r := rawclient.Do(t, "GET", url+query+"&sid="+sid, ""); r.Body != "4"+text {
				t.Errorf("%q: got %d %q, want %q", mark, r.Status, r.Body, "4"+text)
			}
		}
	}
}

// pollLater polls on another goroutine, and returns when the server has the poll.
func pollLater(t *testing.T, s *engineio.Server, p *rawclient.Polling) <-chan rawclient.Response {
	t.Helper()
	got := make(chan rawclient.Response, 1)
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	go func() {
		r, _ := rawclient.Try(ctx, "GET", p.URL, "")
		got <- r
	}()
	engineio.AwaitPoll(t, s, p.SID)
	return got
}

func TestPollingParseError(t *testing.T) {
	for _, body := range []string{"abc", "", "4ok\x1e", "\x1e4ok", "7", "b****", "4\xff"} {
		a := newApp()
		_, url := serve(t, a, nil)
		p := rawclient.OpenPolling(t, url)
		if r := p.Post(body); r.Status != 400 {
			t.Errorf("POST %q: %d %q, want 400", body, r.Status, r.Body)
		}
		a.wantClosed(t, engineio.ParseError)
		p.WantGone()
	}
}

func TestPollingOctetStream(t *testing.T) {
	a := newApp()
	_, url := serve(t, a, nil)
	p := rawclient.OpenPolling(t, url)
	if r := rawclient.Do(t, "POST", p.URL, "4a", "Content-Type", "application/octet-stream"); r.Status != 400 {
		t.Errorf("status %d, want 400", r.Status)
	}
	a.wantClosed(t, engineio.TransportError)
}

// A body that is too large is refused, and the session goes on, as with Node's server.
func TestPollingBodyTooBig(t *testing.T) {
	for name, header := range map[string][]string{"declared": nil, "chunked": {"Transfer-Encoding", "chunked"}} {
		t.Run(name, func(t *testing.T) {
			s, url := serve(t, newApp(), func(o *engineio.Options) { o.MaxPayload = 1000 })
			p := rawclient.OpenPolling(t, url)
			p.WantPost("4" + strings.Repeat("x", 999))
			p.Want("4" + strings.Repeat("x", 999))
			if r := rawclient.Do(t, "POST", p.URL, "4"+strings.Repeat("x", 1000), header...); r.Status != 413 || r.Body != "" {
				t.Errorf("%d %q, want 413", r.Status, r.Body)
			}
			p.WantPost("4after it")
			p.Want("4after it")
			if n := s.Stats().Refusals[engineio.PayloadTooBig]; n != 1 {
				t.Errorf("%d refusals counted, want 1", n)
			}
		})
	}
}

// Bodies that are too large count as packets do.
func TestRateOfBodiesTooBig(t *testing.T) {
	a := newApp()
	s, url := serve(t, a, func(o *engineio.Options) { o.MaxPayload, o.InboundPacketsPerSecond = 1000, 1 })
	p := rawclient.OpenPolling(t, url)
	for n := 0; s.Knows(p.SID); n++ {
		if n == 1000 {
			t.Fatal("1,000 bodies that were too large did not end the session")
		}
		rawclient.Do(t, "POST", p.URL, strings.Repeat("x", 1001))
	}
	a.wantClosed(t, engineio.RateLimit)
}

// Of two polls at once, the first gets the close packet, the second
// that it was a mistake.
func TestOverlappingPolls(t *testing.T) {
	a := newApp()
	s, url := serve(t, a, nil)
	p := rawclient.OpenPolling(t, url)
	first := pollLater(t, s, p)
	if r := p.Poll(); r.Status != 400 {
		t.Errorf("second poll: %d, want 400", r.Status)
	}
	if r := <-first; r.Status != 200 || r.Body != "1" {
		t.Errorf("first poll: %d %q, want 200 1", r.Status, r.Body)
	}
	a.wantClosed(t, engineio.TransportError)
	p.WantGone()
}

func TestCancelledPoll(t *testing.T) {
	a := newApp()
	s, url := serve(t, a, nil)
	p := rawclient.OpenPolling(t, url)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = rawclient.Try(ctx, "GET", p.URL, "")
	}()
	engineio.AwaitPoll(t, s, p.SID)
	cancel()
	<-done
	// Whether the server has heard of it or takes this for a second poll, the
	// answer is the same.
	p.WantGone()
	a.wantClosed(t, engineio.TransportError)
}

// The POST that closes a session and the poll that it ends come on two
// connections, in any order.
func TestClientClosesPolling(t *testing.T) {
	t.Run("poll first", func(t *testing.T) {
		a := newApp()
		s, url := serve(t, a, nil)
		p := rawclient.OpenPolling(t, url)
		got := pollLater(t, s, p)
		p.WantPost("1")
		if r := <-got; r.Status != 200 || r.Body != "6" {
			t.Errorf("poll: %d %q, want 200 6", r.Status, r.Body)
		}
		a.wantClosed(t, engineio.ClientClose)
		p.WantGone()
	})
	t.Run("post first", func(t *testing.T) {
		a := newApp()
		_, url := serve(t, a, nil)
		p := rawclient.OpenPolling(t, url)
		p.WantPost("1")
		p.Want("6")
		p.WantGone()
		a.wantClosed(t, engineio.ClientClose)
	})
}

// A session closed by the application sends its close packet to the poll that waits,
// or to the next one.
func TestServerClosesPolling(t *testing.T) {
	t.Run("poll waits", func(t *testing.T) {
		a := newApp()
		s, url := serve(t, a, nil)
		p := rawclient.OpenPolling(t, url)
		got := pollLater(t, s, p)
		a.next(t).Close(engineio.ServerClose)
		if r := <-got; r.Body != "1" {
			t.Errorf("got %q, want 1", r.Body)
		}
		a.wantClosed(t, engineio.ServerClose)
		p.WantGone()
	})
	t.Run("no poll", func(t *testing.T) {
		a := newApp()
		_, url := serve(t, a, nil)
		p := rawclient.OpenPolling(t, url)
		session := a.next(t)
		session.Send(engineio.NewMessage([]byte("bye")))
		session.Close(engineio.ServerClose)
		if session.Send(engineio.NewMessage([]byte("never"))) {
			t.Error("a closing session took a message")
		}
		p.Want("4bye\x1e1")
		a.wantClosed(t, engineio.ServerClose)
		p.WantGone()
	})
}

func TestPutOnSession(t *testing.T) {
	_, url := serve(t, newApp(), nil)
	p := rawclient.OpenPolling(t, url)
	if r := rawclient.Do(t, "PUT", p.URL, ""); r.Status != 500 {
		t.Errorf("status %d, want 500 as Node's server", r.Status)
	}
}
