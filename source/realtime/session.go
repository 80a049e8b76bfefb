package realtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// session is one connection. Its run goroutine owns all fields but readErr
// and does all writes; the reader only decodes and enqueues.
type session struct {
	s   *Source
	ws  *websocket.Conn
	key string

	ref      uint64
	channels map[*table]*channel
	// hbRef is the heartbeat that waits for its answer, empty for none; hbAt
	// is when it was sent, hbNext when the next is due.
	hbRef        string
	hbAt, hbNext time.Time
	// joinSeen is when a join last was pending: the server answers nothing on
	// a socket while it works on a join.
	joinSeen  time.Time
	keyNext   time.Time
	allLiveAt time.Time

	control chan frame
	readErr error // set before control is closed
}

// controlRoom is how many frames other than changes may wait; the server
// sends a few per join.
const controlRoom = 256

func newSession(s *Source, ws *websocket.Conn, key string) *session {
	ss := &session{
		s: s, ws: ws, key: key,
		channels: map[*table]*channel{}, control: make(chan frame, controlRoom),
	}
	for _, t := range s.tables.list {
		ss.channels[t] = &channel{t: t, backoff: backoff{waits: s.opts.Timing.Backoff}}
	}
	return ss
}

// run serves the connection until it ends, and returns why.
func (ss *session) run(ctx context.Context) ended {
	done := make(chan struct{})
	go func() {
		defer close(done)
		ss.read()
	}()
	end := ss.loop(ctx)
	if end.reason == "write" {
		// The server may have said why before it hung up.
		timer := time.NewTimer(200 * time.Millisecond)
		defer timer.Stop()
		select {
		case <-done:
			var ce *websocket.CloseError
			if errors.As(ss.readErr, &ce) {
				end = ss.lost()
			}
		case <-timer.C:
		}
	}
	_ = ss.ws.WriteControl(websocket.CloseMessage,
		websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second))
	_ = ss.ws.Close()
	<-done
	for _, t := range ss.s.tables.list {
		ss.channels[t].leave(ChannelDown, t.channelError())
	}
	return end
}

// liveFor is how long all channels had been subscribed, 0 for not.
func (ss *session) liveFor() time.Duration {
	if ss.allLiveAt.IsZero() {
		return 0
	}
	return time.Since(ss.allLiveAt)
}

func (ss *session) loop(ctx context.Context) ended {
	now := time.Now()
	t := &ss.s.opts.Timing
	ss.hbNext, ss.keyNext = now.Add(t.Heartbeat), now.Add(t.KeyCheck)
	ss.s.setState(StateJoining)
	for _, tb := range ss.s.tables.list {
		if end := ss.join(ss.channels[tb]); end != nil {
			return *end
		}
	}
	timer := time.NewTimer(ss.untilDue())
	defer timer.Stop()
	for {
		var end *ended
		select {
		case <-ctx.Done():
			return ended{reason: "stop", err: ctx.Err()}
		case f, ok := <-ss.control:
			if !ok {
				return ss.lost()
			}
			end = ss.handle(f)
		case c := <-ss.s.commands:
			end = ss.obey(c)
		case <-timer.C:
			end = ss.tick(ctx, time.Now())
		}
		if end != nil {
			return *end
		}
		ss.report()
		timer.Reset(ss.untilDue())
	}
}

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
	at := s.clock.elapsed()
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

// lost tells why reading ended.
func (ss *session) lost() ended {
	err := ss.readErr
	var ce *websocket.CloseError
	var ne net.Error
	switch {
	case errors.As(err, &ce) && ce.Code != websocket.CloseAbnormalClosure:
		return ended{reason: "closed_" + strconv.Itoa(ce.Code), err: fmt.Errorf("server closed the connection: code %d %s", ce.Code, ce.Text)}
	case errors.As(err, &ne) && ne.Timeout():
		return ended{reason: "silent", err: fmt.Errorf("nothing came in for %s", ss.s.opts.Timing.Read)}
	}
	var oe *net.OpError
	if errors.As(err, &oe) {
		err = oe.Err // without the ports, so that it is logged once
	}
	return ended{reason: "reset", err: fmt.Errorf("read: %w", err)}
}

// send writes one frame.
func (ss *session) send(f frame) *ended {
	b, err := encodeFrame(nil, f)
	if err == nil {
		_ = ss.ws.SetWriteDeadline(time.Now().Add(ss.s.opts.Timing.Write))
		err = ss.ws.WriteMessage(websocket.TextMessage, b)
	}
	if err != nil {
		return &ended{reason: "write", err: fmt.Errorf("write: %w", err)}
	}
	return nil
}

func (ss *session) nextRef() string {
	ss.ref++
	return strconv.FormatUint(ss.ref, 10)
}

// untilDue is the time to the next thing that is due.
func (ss *session) untilDue() time.Duration {
	due := ss.hbNext
	earlier := func(t time.Time) {
		if !t.IsZero() && t.Before(due) {
			due = t
		}
	}
	if ss.hbRef != "" {
		earlier(ss.verdictAt())
	}
	earlier(ss.keyNext)
	for _, c := range ss.channels {
		earlier(c.due)
	}
	return max(time.Until(due), 0)
}

// verdictAt is when the open heartbeat has been unanswered for too long, not
// counting the time in which a join was pending.
func (ss *session) verdictAt() time.Time {
	from := ss.hbAt
	if ss.joinSeen.After(from) {
		from = ss.joinSeen
	}
	return from.Add(ss.s.opts.Timing.HeartbeatTimeout)
}

// tick does what is due.
func (ss *session) tick(ctx context.Context, now time.Time) *ended {
	for _, tb := range ss.s.tables.list {
		if c := ss.channels[tb]; !c.due.IsZero() && !now.Before(c.due) {
			if end := ss.expired(c); end != nil {
				return end
			}
		}
	}
	if ss.joining() {
		ss.joinSeen = now
	}
	if ss.hbRef != "" && !now.Before(ss.verdictAt()) {
		return &ended{reason: "half_open", err: fmt.Errorf("no answer to a heartbeat for %s", ss.s.opts.Timing.HeartbeatTimeout)}
	}
	if !now.Before(ss.hbNext) {
		ss.hbNext = now.Add(ss.s.opts.Timing.Heartbeat)
		ref := ss.nextRef()
		if ss.hbRef == "" {
			ss.hbRef, ss.hbAt = ref, now
		}
		if end := ss.send(frame{Ref: ref, Topic: topicPhoenix, Event: eventHeartbeat, Payload: json.RawMessage("{}")}); end != nil {
			return end
		}
	}
	if !now.Before(ss.keyNext) {
		ss.keyNext = now.Add(ss.s.opts.Timing.KeyCheck)
		return ss.checkKey(ctx)
	}
	return nil
}

func (ss *session) joining() bool {
	for _, c := range ss.channels {
		if c.state == ChannelJoining {
			return true
		}
	}
	return false
}

// checkKey hands a key that was replaced to the channels, so that the old one
// may expire. A key that is no JWT is known to the gateway only, which sees
// it at the handshake.
func (ss *session) checkKey(ctx context.Context) *ended {
	key, err := ss.s.opts.KeyFunc(ctx)
	if err != nil || key == ss.key {
		return nil // an unreadable key is reported when it is needed
	}
	ss.key = key
	if strings.HasPrefix(key, "sb_") {
		return &ended{reason: "key_changed", err: errors.New("the service key was replaced"), wait: time.Millisecond}
	}
	payload, err := json.Marshal(map[string]string{"access_token": key})
	if err != nil {
		return &ended{reason: "write", err: err}
	}
	ss.s.log.Info("service key was replaced")
	for _, tb := range ss.s.tables.list {
		c := ss.channels[tb]
		if c.joinRef == "" {
			continue
		}
		f := frame{JoinRef: c.joinRef, Ref: ss.nextRef(), Topic: tb.topic, Event: eventToken, Payload: payload}
		if end := ss.send(f); end != nil {
			return end
		}
	}
	return nil
}

// report derives the source's state from the channels'.
func (ss *session) report() {
	state, live := StateLive, true
	for _, c := range ss.channels {
		switch c.state {
		case ChannelLive:
			continue
		case ChannelJoining, ChannelJoined:
			// One that is tried again after it failed is not on its way yet.
			if c.t.channelError() != "" {
				state = StateDegraded
			} else if state == StateLive {
				state = StateJoining
			}
		default:
			state = StateDegraded
		}
		live = false
	}
	switch {
	case !live:
		ss.allLiveAt = time.Time{}
	case ss.allLiveAt.IsZero():
		ss.allLiveAt = time.Now()
		ss.s.stats.setError("")
	}
	ss.s.setState(state)
}
