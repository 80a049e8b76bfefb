package engineio

import (
	"bytes"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

var (
	probe        = []byte("probe")
	framedAnswer = newMessage("3", probe, nil).frames
)

// serveUpgrade takes a WebSocket that names a session over, once the client has
// shown on it that it works (Engine.IO 4 protocol, Upgrade).
func (s *Session) serveUpgrade(w http.ResponseWriter, r *http.Request) {
	ws, err := s.server.accept(w, r)
	if err != nil {
		s.server.refusals[BadRequest].Add(1)
		return
	}
	if err := ws.answer(); err != nil {
		ws.close()
		return
	}
	s.mu.Lock()
	p := s.polls
	taken := p == nil || p.upgrading || p.upgraded || s.state != stateOpen
	if !taken {
		p.upgrading, p.candidate = true, ws
		// Under mu: the session's end moves this deadline.
		_ = ws.Conn.SetReadDeadline(time.Now().Add(s.server.opts.UpgradeTimeout))
	}
	s.mu.Unlock()
	if taken {
		// One transport has the session already; this one has nothing to say.
		s.server.goroutines.run(func() { ws.hangUp(ServerClose, true, false) })
		return
	}
	s.server.goroutines.run(func() { s.upgrade(ws) })
}

// upgrade goes through the probe, and serves the connection after it.
func (s *Session) upgrade(ws *wsConn) {
	if !s.probe(ws) || !s.takeOver(ws) {
		s.mu.Lock()
		s.polls.upgrading, s.polls.probed, s.polls.candidate = false, false, nil
		s.mu.Unlock()
		ws.hangUp(ServerClose, true, false)
		return
	}
	s.watchPings(ws)
	s.release()
	s.startReading(ws)
}

// probe answers the client's probe and waits for its upgrade packet.
func (s *Session) probe(ws *wsConn) bool {
	for step := range 2 {
		kind, data, err := ws.readMessage()
		if err != nil {
			return false
		}
		p, err := DecodePacket(*data)
		if err != nil || kind != websocket.TextMessage {
			return false
		}
		isProbe := p.Type == PacketPing && bytes.Equal(p.Data, probe)
		putReadBuffer(data)
		if step == 1 {
			return p.Type == PacketUpgrade
		}
		if !isProbe {
			return false
		}
		// First, because the client may poll as soon as it has the answer; and the
		// poll that waits already is woken after it, so that the client, which knows
		// of the answer then, does not poll again.
		s.mu.Lock()
		s.polls.probed = true
		s.mu.Unlock()
		if _, err := ws.Conn.Write(framedAnswer); err != nil {
			return false
		}
		s.mu.Lock()
		s.polls.wake()
		s.mu.Unlock()
	}
	return false
}

// takeOver makes ws the session's transport.
func (s *Session) takeOver(ws *wsConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateOpen {
		return false
	}
	_ = ws.Conn.SetReadDeadline(time.Time{})
	s.polls.candidate = nil
	s.ws = ws
	s.held = true // until release
	s.polls.upgraded = true
	s.polls.wake()
	s.server.upgrades.Add(1)
	s.server.polling.Add(-1)
	s.server.webSocket.Add(1)
	return true
}
