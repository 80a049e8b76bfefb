package main

import "testing"

// TestEvents: events and acknowledgements come back with their arguments as
// they were sent, byte for byte. (Socket.IO 5 protocol, Sending and receiving
// data.)
func TestEvents(t *testing.T) {
	w := serveCalm(t, "socketio")
	s := w.join("40", "40")
	s.expect(`42["auth",{}]`)
	for in, out := range map[string]string{
		`42["message",1,"2",{"3":[true]}]`:                 `42["message-back",1,"2",{"3":[true]}]`,
		`42["message"]`:                                    `42["message-back"]`,
		`42["message","<b>&\u2028"]`:                       `42["message-back","<b>&\u2028"]`,
		`42["message",1e400,0.10,12345678901234567890]`:    `42["message-back",1e400,0.10,12345678901234567890]`,
		`42456["message-with-ack",1,"2",{"3":[false]}]`:    `43456[1,"2",{"3":[false]}]`,
		`420["message-with-ack"]`:                          `430[]`,
		`429007199254740991["message-with-ack"]`:           `439007199254740991[]`,
		`42/,["message","namespace named though default"]`: `42["message-back","namespace named though default"]`,
	} {
		s.send(in)
		s.expect(out)
	}
}

// TestBinary: the placeholders keep their form and order, the attachments
// follow as binary messages.
func TestBinary(t *testing.T) {
	w := serveCalm(t, "socketio")
	const args = `{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`
	s := w.join("40/custom,", "40/custom,")
	s.expect(`42/custom,["auth",{}]`)
	for in, out := range map[string]string{
		`452-/custom,["message",`:             `452-/custom,["message-back",`,
		`452-/custom,789["message-with-ack",`: `462-/custom,789[`,
	} {
		s.send(in + args)
		s.sendBinary(1, 2, 3)
		s.sendBinary(4, 5, 6)
		s.expect(out+args, []byte{1, 2, 3}, []byte{4, 5, 6})
	}
}

// TestBinaryByPolling: the same in polling, where attachments are base64.
func TestBinaryByPolling(t *testing.T) {
	w := serveCalm(t, "socketio")
	sid := w.open()
	w.want("connect", w.post(sid, "40"), 200, "ok")
	w.poll(sid)
	const packet = `["message-with-ack",{"_placeholder":true,"num":0}]`
	w.want("event", w.post(sid, "451-7"+packet+"\x1ebAQID"), 200, "ok")
	for {
		a := w.poll(sid)
		w.want("poll", a, 200, "")
		if a.body == `42["auth",{}]` {
			continue // CONNECT and the first event may come in one answer or two
		}
		w.want("poll", a, 200, `461-7[{"_placeholder":true,"num":0}]`+"\x1ebAQID")
		break
	}
}

// TestInvalidPackets: the transport is closed, whether or not a namespace was
// joined before.
func TestInvalidPackets(t *testing.T) {
	w := serveCalm(t, "socketio")
	for _, packet := range []string{
		"4abc", "4", "49", "42{}", "42", "42[]", `42["message"`, `42[{}]`, `42["connect"]`, `42abc["message-with-ack",1]`, `42["message"]x`,
		`4/custom`, "431{}", `451["message"]`, `45-["message"]`, `4511-["message"]`, `451-["message"]`,
		`40{"token":`, `40"text"`, `40[1]`, "46", "44{}", `42-1["message"]`,
	} {
		t.Run(packet, func(t *testing.T) {
			w := w
			w.t = t
			s := w.join("40", "40")
			s.expect(`42["auth",{}]`)
			s.send(packet)
			if packet == `451-["message"]` {
				s.send("3")           // the heartbeat goes on between a packet and its attachment,
				s.send(`42["never"]`) // another packet must not come there
			}
			s.expectClosed()
		})
	}
	s := w.connect()
	s.send("4abc")
	s.expectClosed()
}

// TestUnexpectedBinary: a binary message that no packet announced.
func TestUnexpectedBinary(t *testing.T) {
	w := serveCalm(t, "socketio")
	s := w.join("40", "40")
	s.expect(`42["auth",{}]`)
	s.sendBinary(1)
	s.expectClosed()
}
