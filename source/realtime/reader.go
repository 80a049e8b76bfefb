package realtime

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// read decodes what comes in until the connection ends. It never waits for
// anyone: a server whose client stops reading lets its mailbox grow until it
// is killed.
func (ss *session) read() {
	defer close(ss.control)
	s := ss.s
	ss.ws.SetReadLimit(maxFrame)
	for {
		_ = ss.ws.SetReadDeadline(time.Now().Add(s.opts.Timing.Read))
		kind, data, err := ss.ws.ReadMessage()
		if err != nil {
			ss.readErr = err
			return
		}
		s.stats.lastFrame.Store(time.Now().UnixNano())
		if kind != websocket.TextMessage {
			continue // binary frames are broadcasts only
		}
		f, err := decodeFrame(data)
		if err != nil {
			// Whatever it was, it may have been a change.
			s.stats.drop(dropPayload)
			s.gap(nil, gapBadPayload)
			continue
		}
		if f.Event == eventChanges {
			s.receive(f.Payload)
			continue
		}
		select {
		case ss.control <- f:
		default:
			ss.readErr = errors.New("the server sends more control messages than can be dealt with")
			return
		}
	}
}

// receive takes one change from the stream.
func (s *Source) receive(data json.RawMessage) {
	at := s.clock.Elapsed()
	c, err := decodeChange(data, s.tables)
	var re *rowError
	switch {
	case errors.Is(err, errUnknownTable):
		s.stats.drop(dropTable)
		return
	case errors.As(err, &re):
		s.stats.drop(dropRow)
		t := s.tables.byName[re.table]
		if t.setRowError(re.text) {
			s.log.Warn("the server does not send rows of a table", "table", re.table, "error", re.text, "remedy", rowRemedy(re))
		}
		s.gap(t, gapRow)
		return
	case err != nil:
		s.stats.drop(dropPayload)
		s.gap(nil, gapBadPayload)
		return
	}
	c.table.setRowError("")
	s.clock.observe(c.at, at)
	c.table.lastEvent.Store(int64(at))
	if !s.queue.push(c) {
		s.stats.drop(dropQueue)
		s.gap(c.table, gapQueue)
	}
}

func rowRemedy(e *rowError) string {
	if strings.Contains(e.text, "400") {
		return "give the table a primary key"
	}
	return fmt.Sprintf(hintRights, e.table)
}
