package socketio_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"chatbridge/socketio"
	"chatbridge/socketio/engineio"
	"chatbridge/socketio/internal/rawclient"
)

func recovering(o *socketio.Options) { o.Recovery.Enabled = true }

func resume(got ids, offset string) string {
	return `{"pid":"` + got.PID + `","offset":"` + offset + `"}`
}

// A client that comes back has its id again, if the application allows it; rooms
// and packets are the application's to restore.
func TestRecovery(t *testing.T) {
	type principal struct{ workspace string }
	var asked []string
	f := newFixture(t, func(o *socketio.Options) {
		recovering(o)
		o.Recovery.Validate = func(data, saved any, offset string) bool {
			asked = append(asked, offset)
			return data.(*principal).workspace == saved.(*principal).workspace
		}
	})
	f.ns.OnAuth(func(_ context.Context, h *socketio.Handshake) (any, error) {
		if strings.Contains(string(h.Auth), "other") {
			return &principal{"other"}, nil
		}
		return &principal{"mine"}, nil
	})
	c, s, got := f.connect("")
	if got.PID == "" || got.PID != s.PID() || got.PID == got.SID {
		t.Fatalf("ids %+v", got)
	}
	_, _ = s.Join("b"), s.Join("a")
	f.ns.Broadcast(socketio.NewEvent("/", "e", []byte(`"position 1"`)))
	c.Want(`42["e","position 1"]`)
	_ = c.Conn.Close()
	f.wantEnd(engineio.TransportClose)
	if n := f.server.Stats().SavedSessions; n != 1 {
		t.Fatalf("%d sessions saved", n)
	}
	f.awaitLen(0)

	_, s, again := f.connect(resume(got, "position 1"))
	if again != got || !s.Recovered() || s.Offset() != "position 1" || len(s.Rooms()) != 0 {
		t.Errorf("ids %+v, recovered %v, rooms %v", again, s.Recovered(), s.Rooms())
	}
	s.Close(engineio.Shed)
	f.awaitLen(0)
	_, s, again = f.connect(`{"other":1,"pid":"` + got.PID + `","offset":"position 2"}`)
	if again.SID == got.SID || s.Recovered() || s.Offset() != "position 2" {
		t.Errorf("another workspace was given the session: %+v", again)
	}
	if diff := cmp.Diff([]string{"position 1", "position 2"}, asked); diff != "" {
		t.Error(diff)
	}
	_, s, _ = f.connect(resume(ids{PID: "unknown"}, "position 3"))
	if s.Recovered() || s.Offset() != "position 3" {
		t.Errorf("offset %q of an unknown session", s.Offset())
	}
	if st := f.server.Stats(); st.Recovered != 1 || st.RecoveryMissed != 2 {
		t.Errorf("%d recovered, %d missed", st.Recovered, st.RecoveryMissed)
	}
}

func TestRecoveryRefused(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*socketio.Options)
		leave  func(c *rawclient.WS)
		auth   func(got ids, offset string) string
		missed uint64
	}{
		"unknown pid":     {auth: func(_ ids, offset string) string { return resume(ids{PID: "x"}, offset) }, missed: 1},
		"pid of no text":  {auth: func(ids, string) string { return `{"pid":1,"offset":[]}` }},
		"client left":     {leave: func(c *rawclient.WS) { c.Send("41", "1") }, auth: resume, missed: 1},
		"broke the rules": {leave: func(c *rawclient.WS) { c.Send("4abc") }, auth: resume, missed: 1},
		"validate": {change: func(o *socketio.Options) {
			o.Recovery.Validate = func(any, any, string) bool { return false }
		}, auth: resume, missed: 1},
		"no recovery": {change: func(o *socketio.Options) { o.Recovery.Enabled = false }, auth: resume},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, func(o *socketio.Options) {
				recovering(o)
				if test.change != nil {
					test.change(o)
				}
			})
			c, s, got := f.connect("")
			if test.leave != nil {
				test.leave(c)
				c.WantClosed()
			} else {
				_ = c.Conn.Close()
			}
			<-s.Done()
			f.awaitLen(0)
			c, s, again := f.connect(test.auth(got, "position"))
			if s.Recovered() || again.SID == got.SID {
				t.Errorf("recovered %v, ids %+v", s.Recovered(), again)
			}
			_ = s.Emit("live")
			c.Want(`42["live"]`)
			if n := f.server.Stats().RecoveryMissed; n != test.missed {
				t.Errorf("%d missed recoveries counted, want %d", n, test.missed)
			}
		})
	}
}

// A client that changed its network is back before its old connection is known to
// be dead.
func TestRecoveryOfHalfOpenConnection(t *testing.T) {
	f := newFixture(t, recovering)
	_, s, got := f.connect("")
	back, s2, again := f.connect(resume(got, "position"))
	if again != got || !s2.Recovered() {
		t.Fatalf("ids %+v, were %+v", again, got)
	}
	if f.wantEnd(engineio.Replaced) != s {
		t.Error("another socket ended")
	}
	f.ns.Broadcast(event("live"), got.SID)
	back.Want(`42["live"]`)
	f.awaitLen(1)
}

// TestRecoveryOfHalfOpenConnectionIsValidated: somebody else who knows a living
// session's private id gets neither the session nor its end.
func TestRecoveryOfHalfOpenConnectionIsValidated(t *testing.T) {
	asked := make(chan string, 1)
	f := newFixture(t, func(o *socketio.Options) {
		recovering(o)
		o.Recovery.Validate = func(_, _ any, offset string) bool { asked <- offset; return false }
	})
	c, s, got := f.connect("")
	_, other, ids := f.connect(resume(got, "position"))
	if other.Recovered() || ids.SID == got.SID || ids.PID == got.PID {
		t.Fatalf("another one was given the session: %+v", ids)
	}
	select {
	case o := <-asked:
		if o != "position" {
			t.Errorf("asked about the offset %q", o)
		}
	default:
		t.Error("Validate was not called")
	}
	_ = s.Emit("still mine")
	c.Want(`42["still mine"]`)
	f.awaitLen(2)
}

func TestSessionsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := socketio.NewSessionStore(2*time.Minute, 2)
		store.Save("/", "a")
		time.Sleep(time.Minute)
		store.Save("/", "b")
		time.Sleep(time.Minute)
		if store.Take("/", "a") || store.Take("/other", "b") || store.Len() != 1 {
			t.Error("a session outlived its time, or is in another namespace")
		}
		if !store.Take("/", "b") || store.Take("/", "b") {
			t.Error("a session is to be had once")
		}
		for _, pid := range []string{"c", "d", "e"} {
			store.Save("/", pid)
		}
		if store.Take("/", "c") || !store.Take("/", "d") || !store.Take("/", "e") {
			t.Error("the oldest must go first")
		}
	})
}
