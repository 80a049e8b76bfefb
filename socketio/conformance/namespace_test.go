package main

import "testing"

// TestConnect: the acknowledgement has only a sid, and the application's first
// event comes after it. (Socket.IO 5 protocol, Connection to a namespace.)
func TestConnect(t *testing.T) {
	w := serveCalm(t, "socketio")
	for _, test := range []struct{ packet, answer, auth string }{
		{"40", "40", `42["auth",{}]`},
		{"40/", "40", `42["auth",{}]`},
		{"40/,", "40", `42["auth",{}]`},
		{`40{"token":"123"}`, "40", `42["auth",{"token":"123"}]`},
		{"40/custom,", "40/custom,", `42/custom,["auth",{}]`},
		{"40/custom", "40/custom,", `42/custom,["auth",{}]`},
		{`40/custom,{"token":"<a>&"}`, "40/custom,", `42/custom,["auth",{"token":"<a>&"}]`},
	} {
		s := w.connect()
		s.send(test.packet)
		ack := s.text()
		if len(ack) < len(test.answer) || ack[:len(test.answer)] != test.answer {
			t.Errorf("answer to %s is %s, want %s...", test.packet, ack, test.answer)
		}
		if sid := w.sid(ack[len(test.answer):]); ack != test.answer+`{"sid":"`+sid+`"}` {
			t.Errorf("answer to %s is %s, want only a sid", test.packet, ack)
		}
		s.expect(test.auth)
	}
}

// TestUnknownNamespace is refused, and the connection stays.
func TestUnknownNamespace(t *testing.T) {
	w := serveCalm(t, "socketio")
	s := w.connect()
	s.send("40/random")
	s.expect(`44/random,{"message":"Invalid namespace"}`)
	s.send("40")
	s.text()
	s.expect(`42["auth",{}]`)
}

// TestDisconnect: leaving a namespace has no answer and leaves the transport
// and the other namespaces alone.
func TestDisconnect(t *testing.T) {
	w := serveMode(t, "socketio")
	for _, leave := range []string{"41/custom", "41/custom,"} {
		s := w.join("40", "40")
		s.expect(`42["auth",{}]`)
		s.send("40/custom")
		s.text()
		s.expect(`42/custom,["auth",{}]`)
		s.send(leave)
		s.send(`42["message","main"]`)
		s.expect(`42["message-back","main"]`)
		s.send("41")
		if _, b, err := s.ReadMessage(); err != nil || string(b) != "2" {
			t.Errorf("after leaving all: %q, %v, want the next ping", b, err)
		}
	}
}
