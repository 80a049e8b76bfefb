package socketio_test

import (
	"context"
	"encoding/json"
	"strconv"
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

// offsetOf returns the last argument of an event.
func offsetOf(t *testing.T, packet string) string {
	t.Helper()
	var args []string
	if err := json.Unmarshal([]byte(strings.TrimPrefix(packet, "42")), &args); err != nil || len(args) < 2 {
		t.Fatalf("event %q has no offset", packet)
	}
	return args[len(args)-1]
}

func resume(got ids, offset string) string {
	return `{"pid":"` + got.PID + `","offset":"` + offset + `"}`
}

// A client that comes back has its id and its rooms, and gets what it missed.
func TestRecovery(t *testing.T) {
	f := newFixture(t, recovering)
	c, s, got := f.connect("")
	if got.PID == "" || got.PID != s.PID() || got.PID == got.SID {
		t.Fatalf("ids %+v", got)
	}
	_ = s.Join("mine")
	f.ns.Broadcast(event("seen"), "mine")
	offset := offsetOf(t, c.WantPrefix(`42["seen","`))
	_ = c.Conn.Close()
	f.wantEnd(engineio.TransportClose)
	if n := f.server.Stats().SavedSessions; n != 1 {
		t.Fatalf("%d sessions saved", n)
	}
	f.ns.Broadcast(event("missed 1"), "mine")
	f.ns.Broadcast(event("not mine"), "others")
	f.ns.Broadcast(event("missed 2"))
	f.ns.BroadcastTo(event("missed 3"), f.ns.Room(got.SID), f.ns.Room("none"))
	f.ns.BroadcastTo(event("for nobody"))

	c, s, again := f.connect(resume(got, offset))
	if again != got || !s.Recovered() || s.Offset() != offset {
		t.Errorf("ids %+v, were %+v; recovered %v", again, got, s.Recovered())
	}
	if diff := cmp.Diff([]string{"mine"}, s.Rooms()); diff != "" {
		t.Error(diff)
	}
	for i := 1; i <= 3; i++ {
		c.WantPrefix(`42["missed ` + strconv.Itoa(i) + `","`)
	}
	_ = s.Emit("live", "x")
	offset = offsetOf(t, c.WantPrefix(`42["live","x","`))
	// What goes to one socket is kept for it as well.
	_ = c.Conn.Close()
	f.wantEnd(engineio.TransportClose)
	c, s, again = f.connect(resume(got, offset))
	if !s.Recovered() || again != got {
		t.Error("not recovered a second time")
	}
	_ = s.Emit("end")
	c.WantPrefix(`42["end","`)
	if st := f.server.Stats(); st.Recovered != 2 || st.RecoveryMissed != 0 || st.SavedSessions != 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestRecoveryRefused(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*socketio.Options)
		leave  func(c *rawclient.WS)
		auth   func(got ids, offset string) string
		missed uint64
	}{
		"unknown offset":  {auth: func(got ids, offset string) string { return resume(got, "x"+offset) }, missed: 1},
		"future offset":   {auth: func(got ids, offset string) string { return resume(got, offset+"zz") }, missed: 1},
		"no offset":       {auth: func(got ids, _ string) string { return `{"pid":"` + got.PID + `"}` }, missed: 1},
		"unknown pid":     {auth: func(got ids, offset string) string { return `{"pid":"x","offset":"` + offset + `"}` }, missed: 1},
		"pid of no text":  {auth: func(got ids, offset string) string { return `{"pid":1,"offset":[]}` }},
		"client left":     {leave: func(c *rawclient.WS) { c.Send("41", "1") }, auth: resume, missed: 1},
		"broke the rules": {leave: func(c *rawclient.WS) { c.Send("4abc") }, auth: resume, missed: 1},
		"validate": {change: func(o *socketio.Options) {
			o.Recovery.Validate = func(any, any, string) bool { return false }
		}, auth: resume, missed: 1},
		"log too short": {change: func(o *socketio.Options) { o.Recovery.MaxPackets = 2 }, auth: resume, missed: 1},
		"log too small": {change: func(o *socketio.Options) { o.Recovery.MaxBytes = 100 }, auth: resume, missed: 1},
		"no recovery":   {change: func(o *socketio.Options) { o.Recovery.Enabled = false }, auth: resume},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, func(o *socketio.Options) {
				recovering(o)
				if test.change != nil {
					test.change(o)
				}
			})
			c, s, got := f.connect("")
			_ = s.Join("room")
			f.ns.Broadcast(event("seen"))
			offset := "none"
			if got.PID != "" {
				offset = offsetOf(t, c.WantPrefix(`42["seen","`))
			}
			if test.leave != nil {
				test.leave(c)
				c.WantClosed()
			} else {
				_ = c.Conn.Close()
			}
			<-s.Done()
			for i := range 5 {
				f.ns.Broadcast(event("missed " + strconv.Itoa(i)))
			}
			f.awaitLen(0)
			c, s, again := f.connect(test.auth(got, offset))
			if s.Recovered() || again.SID == got.SID || len(s.Rooms()) != 0 || len(s.SavedRooms()) != 0 {
				t.Errorf("recovered %v, ids %+v", s.Recovered(), again)
			}
			_ = s.Emit("live")
			c.WantPrefix(`42["live"`) // and nothing before it
			if n := f.server.Stats().RecoveryMissed; n != test.missed {
				t.Errorf("%d missed recoveries counted, want %d", n, test.missed)
			}
		})
	}
}

// In external mode the server keeps the session, the application the packets.
func TestExternalRecovery(t *testing.T) {
	type principal struct{ workspace string }
	var asked []string
	f := newFixture(t, func(o *socketio.Options) {
		recovering(o)
		o.Recovery.External = true
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
	_, _ = s.Join("b"), s.Join("a")
	f.ns.Broadcast(socketio.NewEvent("/", "e", []byte(`"position 1"`)))
	c.Want(`42["e","position 1"]`)
	_ = c.Conn.Close()
	<-s.Done()
	f.awaitLen(0)

	_, s, again := f.connect(resume(got, "position 1"))
	if again != got || !s.Recovered() || s.Offset() != "position 1" || len(s.Rooms()) != 0 {
		t.Errorf("ids %+v, recovered %v, rooms %v", again, s.Recovered(), s.Rooms())
	}
	if diff := cmp.Diff([]string{"a", "b"}, s.SavedRooms()); diff != "" {
		t.Error(diff)
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
}

// A client that changed its network is back before its old connection is known to
// be dead.
func TestRecoveryOfHalfOpenConnection(t *testing.T) {
	f := newFixture(t, recovering)
	c, s, got := f.connect("")
	_ = s.Join("room")
	f.ns.Broadcast(event("seen"), "room")
	offset := offsetOf(t, c.WantPrefix(`42["seen","`))
	f.ns.Broadcast(event("lost"), "room") // sent, but say it never arrived
	back, s2, again := f.connect(resume(got, offset))
	if again != got || !s2.Recovered() {
		t.Fatalf("ids %+v, were %+v", again, got)
	}
	if f.wantEnd(engineio.Replaced) != s {
		t.Error("another socket ended")
	}
	back.WantPrefix(`42["lost","`)
	f.ns.Broadcast(event("live"), got.SID)
	back.WantPrefix(`42["live","`)
	f.awaitLen(1)
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
