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

// serveUpgrade accepts a WebSocket that names a polling session, and moves the session
// to it after the client's probe (Engine.IO 4 protocol, Upgrade).
func (s *Session) serveUpgrade(w http.ResponseWriter, r *http.Request) {
	ws, err := s.server.accept(w, r)
	if err != nil {
		s.server.refusals[BadRequest].Add(1)
		return
	}
	if err := ws.answer(); err != nil {
		_ = ws.Conn.Close()
		return
	}
	s.mu.Lock()
	p := s.polls
	taken := p == nil || p.upgrade != upgradeNone || s.state != stateOpen
	if !taken {
		p.upgrade, p.candidate = upgradeOpened, ws
		// Under mu, because setClosed moves this deadline.
		_ = ws.Conn.SetReadDeadline(time.Now().Add(s.server.opts.UpgradeTimeout))
		if ws.raw == nil { // crypto/tls writes while it reads, where the client asks for new keys
			_ = ws.Conn.SetWriteDeadline(time.Now().Add(s.server.opts.UpgradeTimeout))
		}
	}
	s.mu.Unlock()
	if taken {
		// The session is upgraded, being upgraded, or closed.
		s.server.goroutines.Go(func() { ws.closeFor(ServerClose, true, false) })
		return
	}
	s.server.goroutines.Go(func() { s.upgrade(ws) })
}

// upgrade probes the connection and then serves the session on it.
func (s *Session) upgrade(ws *wsConn) {
	if !s.probe(ws) || !s.takeOver(ws) {
		s.mu.Lock()
		s.polls.upgrade, s.polls.candidate = upgradeNone, nil
		s.mu.Unlock()
		ws.closeFor(ServerClose, true, false)
		return
	}
	s.answerPings(ws)
	s.releaseWrites()
	s.startReading(ws)
}

// probe answers the client's probe and waits for its upgrade packet.
func (s *Session) probe(ws *wsConn) bool {
	for step := range 2 {
		kind, data, err := s.readMessage(ws)
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
		s.polls.upgrade = upgradeProbed
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
	if ws.raw == nil {
		_ = ws.Conn.SetWriteDeadline(time.Time{})
	}
	s.polls.candidate = nil
	s.ws = ws
	s.writeOwned = true // until releaseWrites
	s.polls.upgrade = upgradeDone
	s.polls.wake()
	s.server.upgrades.Add(1)
	s.server.polling.Add(-1)
	s.server.webSocket.Add(1)
	return true
}
