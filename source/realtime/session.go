package realtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"chatbridge/internal/retry"

	"github.com/gorilla/websocket"
)

// session is one connection. Its run goroutine owns all fields but readErr
// and does all writes; the reader only decodes and enqueues.
type session struct {
	s   *Source
	ws  *websocket.Conn
	key string

	ref       uint64
	channels  map[*table]*channel
	heartbeat heartbeat
	// keyNext is when KeyFunc is asked next.
	keyNext time.Time
	// allLiveAt is since when every channel is subscribed, zero while one is
	// not.
	allLiveAt time.Time
	// wasLive tells that the key was good for a subscription.
	wasLive bool

	control chan frame
	readErr error // set before control is closed
}

// controlFrames bounds the frames other than changes that wait for the session;
// the server sends a few per join.
const controlFrames = 256

func newSession(s *Source, ws *websocket.Conn, key string) *session {
	ss := &session{
		s: s, ws: ws, key: key,
		channels: map[*table]*channel{}, control: make(chan frame, controlFrames),
		heartbeat: heartbeat{timeout: s.opts.Timing.HeartbeatTimeout},
	}
	for _, t := range s.tables.list {
		ss.channels[t] = &channel{t: t, backoff: retry.Backoff{Min: s.opts.Timing.MinRetry, Max: s.opts.Timing.MaxRetry}}
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
				end = ss.readEnd()
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
	ss.heartbeat.next, ss.keyNext = now.Add(t.Heartbeat), now.Add(t.KeyCheck)
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
				return ss.readEnd()
			}
			end = ss.handle(f)
		case c := <-ss.s.commands:
			end = ss.handleCommand(c)
		case <-ss.s.keyReplaced:
			end = ss.checkKey(ctx)
		case <-timer.C:
			end = ss.tick(ctx, time.Now())
		}
		if end != nil {
			return *end
		}
		ss.updateState()
		timer.Reset(ss.untilDue())
	}
}

// readEnd returns why reading ended.
func (ss *session) readEnd() ended {
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
	due := ss.heartbeat.due()
	earlier := func(t time.Time) {
		if !t.IsZero() && t.Before(due) {
			due = t
		}
	}
	earlier(ss.keyNext)
	for _, c := range ss.channels {
		earlier(c.due)
	}
	return max(time.Until(due), 0)
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
		ss.heartbeat.joinPending = now
	}
	if ss.heartbeat.overdue(now) {
		return &ended{reason: "half_open", err: fmt.Errorf("no answer to a heartbeat for %s", ss.heartbeat.timeout)}
	}
	if !now.Before(ss.heartbeat.next) {
		ref := ss.nextRef()
		ss.heartbeat.sent(ref, now, now.Add(ss.s.opts.Timing.Heartbeat))
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

// updateState derives the source's state from the channels'.
func (ss *session) updateState() {
	state, live := StateLive, true
	for _, c := range ss.channels {
		switch c.state {
		case ChannelLive:
			continue
		case ChannelJoining, ChannelJoined:
			// After a failure the state stays degraded until it is live.
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
