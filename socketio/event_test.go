package socketio_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"chatbridge/socketio"
	"chatbridge/socketio/internal/rawclient"
)

func TestEvents(t *testing.T) {
	f := newFixture(t, nil)
	f.ns.OnEvent(func(s *socketio.Socket, e *socketio.Event) {
		args := make([]any, len(e.Args))
		for i, a := range e.Args {
			args[i] = a
		}
		if e.HasAck() {
			if err := e.Ack(args...); err != nil {
				t.Errorf("ack: %v", err)
			}
			if err := e.Ack(); !errors.Is(err, socketio.ErrNoAck) || e.HasAck() {
				t.Errorf("second ack: %v", err)
			}
			return
		}
		if err := e.Ack(); !errors.Is(err, socketio.ErrNoAck) {
			t.Errorf("ack that is not wanted: %v", err)
		}
		if err := s.Emit(e.Name, args...); err != nil {
			t.Errorf("emit: %v", err)
		}
	})
	c, _, _ := f.connect("")
	c.Send(`42["message",1,"2",{"3":[true]}]`)
	c.Want(`42["message",1,"2",{"3":[true]}]`)
	c.Send(`42456["message-with-ack",1,"2",{"3":[false]}]`)
	c.Want(`43456[1,"2",{"3":[false]}]`)
	// An acknowledgement without a waiter is no protocol error.
	c.Send(`430["nobody asked"]`, `43["no id"]`, "431", "43", "461-1")
	c.SendBinary(nil)
	c.Send(`420["x"]`)
	c.Want(`430[]`)
	c.Send(`42 [ "spaced" , { "a" : "} , ]\"" } , null ] `)
	c.Want(`42["spaced",{"a":"} , ]\""},null]`)
	c.Send(`42["<&>é\u2028","<&>"]`)
	c.Want(`42["<&>é` + `\u2028` + `","<&>"]`)
	c.Send(`42[42,"a number for a name"]`)
	c.Want(`42["42","a number for a name"]`)
	if st := f.server.Stats(); st.Events != 6 {
		t.Errorf("%d events, want 6", st.Events)
	}
}

func TestEmit(t *testing.T) {
	f := newFixture(t, nil)
	c, s, _ := f.connect("")
	for _, test := range []struct {
		args []any
		want []string
	}{
		{nil, []string{`42["e"]`}},
		{[]any{1, "a<b", nil, true, []int{1}}, []string{`42["e",1,"a<b",null,true,[1]]`}},
		{[]any{json.RawMessage("{\n \"a\": 1 }")}, []string{`42["e",{"a":1}]`}},
		{[]any{[]byte{1}, "x", []byte{2, 3}}, []string{
			`452-["e",{"_placeholder":true,"num":0},"x",{"_placeholder":true,"num":1}]`, "binary:\x01", "binary:\x02\x03",
		}},
	} {
		if err := s.Emit("e", test.args...); err != nil {
			t.Fatal(err)
		}
		c.Want(test.want...)
	}
	if err := s.Emit("e", make(chan int)); err == nil {
		t.Error("a channel was encoded")
	}
	if err := s.Emit("e", json.RawMessage(`{`)); err == nil {
		t.Error("invalid JSON was passed on")
	}
	if err := s.Send(socketio.NewEvent("/other", "e")); !errors.Is(err, socketio.ErrNamespace) {
		t.Errorf("packet of another namespace: %v", err)
	}
}

func TestBinaryEvents(t *testing.T) {
	f := newFixture(t, nil)
	f.ns.OnEvent(func(s *socketio.Socket, e *socketio.Event) {
		if e.HasAck() {
			_ = e.AckBinary(e.Attachments, e.Args...)
			return
		}
		jsonArgs := make([][]byte, len(e.Args))
		for i, a := range e.Args {
			jsonArgs[i] = a
		}
		_ = s.Send(socketio.NewBinaryEvent("", "message-back", e.Attachments, jsonArgs...))
	})
	c, _, _ := f.connect("")
	body := `{"_placeholder":true,"num":0},{"deep":[{"_placeholder":true,"num":1}]}`
	c.Send(`452-["message",` + body + `]`)
	c.SendBinary([]byte{1, 2, 3})
	c.SendBinary([]byte{})
	c.Want(`452-["message-back",`+body+`]`, "binary:\x01\x02\x03", "binary:")
	c.Send(`452-789["message-with-ack",` + body + `]`)
	c.SendBinary([]byte("a"))
	c.SendBinary([]byte("b"))
	c.Want(`462-789[`+body+`]`, "binary:a", "binary:b")
}

// OnConnect comes before the events, OnDisconnect after, one callback at a time.
func TestOrderOfCallbacks(t *testing.T) {
	f := newFixture(t, nil)
	var trace []string // no lock: the callbacks may not overlap
	connecting, ended := make(chan struct{}), make(chan struct{})
	f.ns.OnConnect(func(s *socketio.Socket) {
		_ = s.Emit("welcome")
		<-connecting
		trace = append(trace, "connect")
	})
	f.ns.OnEvent(func(_ *socketio.Socket, e *socketio.Event) { trace = append(trace, e.Name) })
	f.ns.OnDisconnect(func(_ *socketio.Socket, _ socketio.Reason) { trace = append(trace, "disconnect"); close(ended) })
	c := f.dial()
	c.Send("40")
	f.wantConnect(c)
	c.Want(`42["welcome"]`)
	c.Send(`42["a"]`, `42["b"]`, "41")
	close(connecting)
	select {
	case <-ended:
	case <-t.Context().Done():
	}
	if diff := cmp.Diff([]string{"connect", "a", "b", "disconnect"}, trace); diff != "" {
		t.Error(diff)
	}
}

// The polling transport carries the same packets.
func TestPolling(t *testing.T) {
	f := newFixture(t, nil)
	f.ns.OnEvent(func(_ *socketio.Socket, e *socketio.Event) { _ = e.AckBinary(e.Attachments, e.Args...) })
	p := rawclient.OpenPolling(t, f.url)
	p.WantPost("40")
	s := f.next()
	p.Want(`40{"sid":"` + s.ID() + `"}`)
	p.WantPost("451-0[\"x\",{\"_placeholder\":true,\"num\":0}]\x1ebAQID\x1e42[\"y\"]")
	p.Want("461-0[{\"_placeholder\":true,\"num\":0}]\x1ebAQID")
	if s.Transport() != "polling" {
		t.Errorf("transport %q", s.Transport())
	}
}
