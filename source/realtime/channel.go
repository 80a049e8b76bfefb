package realtime

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"chatbridge/internal/retry"
)

// channel is one table's channel on one connection. The session owns it.
type channel struct {
	t       *table
	state   ChannelState
	joinRef string
	// due is when something must be done about the state, zero for never.
	due time.Time
	// joinedAt is when the join was answered.
	joinedAt time.Time
	// failures counts refused joins and missing subscriptions in a row.
	failures int
	// expired tells that the server reported the key as expired; phx_close
	// follows.
	expired bool
	backoff retry.Backoff
}

// maxFailures is after how many failures in a row the connection is given up.
const maxFailures = 3

// enter brings the channel into a state other than live.
func (c *channel) enter(st ChannelState, due time.Time, errText string) bool {
	c.state, c.due = st, due
	c.t.liveSince.Store(0)
	return c.t.setChannel(st, errText)
}

// leave is enter without anything due: the connection is gone.
func (c *channel) leave(st ChannelState, errText string) { c.enter(st, time.Time{}, errText) }

// join sends phx_join for the channel, also where it was joined before: the
// server then closes the older join, whose last frames show its join_ref.
func (ss *session) join(c *channel) *ended {
	p := joinPayload{}
	p.Config.Changes = []joinChanges{{Event: "*", Schema: c.t.Config().Schema, Table: c.t.Config().Name}}
	// Without a token the server takes the connection's, which is the same
	// one unless it was replaced since.
	if strings.Count(ss.key, ".") == 2 {
		p.AccessToken = ss.key
	}
	payload, err := json.Marshal(p)
	if err != nil {
		return &ended{reason: "write", err: fmt.Errorf("encode join: %w", err)}
	}
	c.joinRef, c.expired = ss.nextRef(), false
	c.t.countJoin()
	now := time.Now()
	ss.heartbeat.joinPending = now
	// The server answers joins one after the other.
	wait := ss.s.opts.Timing.Join
	for _, other := range ss.channels {
		if other != c && other.state == ChannelJoining {
			wait += ss.s.opts.Timing.Join
		}
	}
	c.enter(ChannelJoining, now.Add(wait), c.t.channelError())
	return ss.send(frame{JoinRef: c.joinRef, Ref: c.joinRef, Topic: c.t.topic, Event: eventJoin, Payload: payload})
}

// expired deals with a channel whose state has lasted too long.
func (ss *session) expired(c *channel) *ended {
	switch c.state {
	case ChannelJoining:
		return &ended{reason: "join_timeout", err: fmt.Errorf("join of %s was not answered for %s", c.t.Name, ss.s.opts.Timing.Join)}
	case ChannelJoined:
		// Nothing is said while the server cannot start its replication.
		c.failures++
		if c.failures > 1 {
			return &ended{reason: "subscribe_timeout", err: fmt.Errorf("subscription to %s was not confirmed: Realtime's replication does not start", c.t.Name)}
		}
	}
	return ss.join(c)
}

// handle handles one frame that is not a change.
func (ss *session) handle(f frame) *ended {
	if f.Topic == topicPhoenix {
		if f.Event == eventReply {
			ss.heartbeat.answered()
		}
		return nil
	}
	t := ss.s.tables.byTopic(f.Topic)
	if t == nil {
		return nil
	}
	c := ss.channels[t]
	switch f.Event {
	case eventReply:
		return ss.onReply(c, f)
	case eventSystem:
		return ss.onSystem(c, f)
	case eventClose, eventError:
		return ss.onClose(c, f)
	}
	return nil
}

// onReply handles the answer to a join, or to a push to a channel that the
// server no longer has.
func (ss *session) onReply(c *channel, f frame) *ended {
	var r reply
	if json.Unmarshal(f.Payload, &r) != nil {
		return nil
	}
	if f.Ref != c.joinRef || c.state != ChannelJoining {
		if r.Status == "error" && r.Response.Reason == "unmatched topic" {
			return ss.rejoin(c, &Refusal{Step: "join", Text: "the server no longer has the channel"}, gapChannel)
		}
		return nil
	}
	ss.heartbeat.joinPending = time.Now()
	if r.Status == "ok" {
		c.joinedAt = time.Now()
		c.state, c.due = ChannelJoined, c.joinedAt.Add(ss.s.opts.Timing.Subscribe)
		c.t.setChannel(ChannelJoined, c.t.channelError())
		return nil
	}
	return ss.refused(c, joinRefusal(string(r.Response.Reason)))
}

// refused deals with a refused join.
func (ss *session) refused(c *channel, r *Refusal) *ended {
	c.failures++
	ss.logRefusal(c, r)
	switch {
	case r.kind == newToken:
		// The key expired after the handshake, or was never good: a new
		// connection shows which.
		if ss.outlivedToken() {
			return renewed()
		}
		return &ended{reason: "token", err: r, wait: ss.tokenWait(c)}
	case r.kind == redial:
		return &ended{reason: "join_refused", err: r}
	case r.kind == fixByOperator:
		c.enter(ChannelRefused, time.Now().Add(retry.Jitter(ss.s.opts.Timing.Refused)), r.Error())
		return nil
	case c.failures >= maxFailures:
		return &ended{reason: "join_failed", err: r}
	}
	c.enter(ChannelWaiting, time.Now().Add(c.backoff.Next()), r.Error())
	return nil
}

// outlivedToken reports whether a token that is no longer good is the gateway's, and was
// good: then nothing says that the key is not.
func (ss *session) outlivedToken() bool { return gatewayKey(ss.key) && ss.wasLive }

// tokenWait is the wait before dialling again with a key that was refused:
// none at first, for a key that was replaced is picked up by dialling.
func (ss *session) tokenWait(c *channel) time.Duration {
	if c.failures <= 1 {
		return 0
	}
	return ss.s.opts.Timing.Refused
}

// onSystem handles a system message. Only the one that confirms the
// subscription means that changes will be delivered.
func (ss *session) onSystem(c *channel, f frame) *ended {
	var m system
	if json.Unmarshal(f.Payload, &m) != nil || (f.JoinRef != "" && f.JoinRef != c.joinRef) {
		return nil // of an earlier join
	}
	switch {
	case m.Extension == eventChanges && m.Status == "ok":
		ss.subscribed(c)
	case m.Extension == eventChanges:
		r := subscribeRefusal(string(m.Message), c.t.Name)
		ss.logRefusal(c, r)
		if c.state == ChannelLive {
			ss.s.gap(c.t, gapChannel)
		}
		if r.kind == fixByOperator {
			c.enter(ChannelRefused, time.Now().Add(retry.Jitter(ss.s.opts.Timing.Refused)), r.Error())
		} else {
			c.enter(ChannelDegraded, time.Now().Add(ss.s.opts.Timing.Subscribe), r.Error())
		}
	case m.Status == "error":
		c.expired = c.expired || isTokenText(string(m.Message))
		if c.expired && ss.outlivedToken() {
			return nil // phx_close follows
		}
		ss.logRefusal(c, &Refusal{Step: "channel", Text: string(m.Message)})
	}
	return nil
}

// subscribed handles the confirmation that the subscription is registered.
// Whatever was committed before is read back, also after a repetition: the server
// repeats itself after it had dropped all subscriptions for a moment.
func (ss *session) subscribed(c *channel) {
	repeated := c.state == ChannelLive
	took := time.Since(c.joinedAt)
	c.state, c.due, c.failures = ChannelLive, time.Time{}, 0
	ss.wasLive = true
	c.backoff.Reset()
	c.t.confirmed()
	if c.t.setChannel(ChannelLive, "") {
		ss.s.log.Info("subscribed to changes", "table", c.t.Name)
	}
	ss.s.hold.begin(ss.s.opts.Timing.Hold)
	c.t.liveSince.Store(int64(ss.s.clock.Elapsed()))
	if repeated {
		ss.s.gap(c.t, gapResubscribed)
		return
	}
	ss.s.gap(c.t, gapSubscribed)
	// Measured: a first subscriber waits 1.6 to 3 s, a later one some
	// milliseconds. In the first case the server's slot may be made later
	// than the subscription is confirmed.
	if cold := ss.s.opts.Timing.Cold; took > cold/5 {
		ss.s.rec.requests.windowAfter(cold)
	}
}

// onClose handles the end of a channel. The close of an earlier join may come
// after the answer to the present one.
func (ss *session) onClose(c *channel, f frame) *ended {
	if f.JoinRef != c.joinRef && f.Ref != c.joinRef {
		return nil
	}
	if c.expired {
		if c.state == ChannelLive {
			ss.s.gap(c.t, gapChannel)
		}
		if ss.outlivedToken() {
			return renewed()
		}
		return &ended{reason: "token", err: &Refusal{Step: "channel", Text: "the key has expired", Hint: hintKey, kind: newToken}}
	}
	text := "the server closed the channel"
	if f.Event == eventError {
		text = "the channel crashed on the server"
	}
	return ss.rejoin(c, &Refusal{Step: "channel", Text: text}, gapChannel)
}

// rejoin has a channel joined again after a wait.
func (ss *session) rejoin(c *channel, r *Refusal, gapReason string) *ended {
	if c.state == ChannelLive {
		ss.s.gap(c.t, gapReason)
	}
	if c.state == ChannelWaiting || c.state == ChannelRefused {
		return nil
	}
	ss.logRefusal(c, r)
	c.failures++
	if c.failures >= maxFailures {
		return &ended{reason: "join_failed", err: r}
	}
	c.enter(ChannelWaiting, time.Now().Add(c.backoff.Next()), r.Error())
	return nil
}

// handleCommand rejoins a channel or ends the connection, as the reconciler
// asked.
func (ss *session) handleCommand(cmd command) *ended {
	c := ss.channels[cmd.table]
	if c.state != ChannelLive {
		return nil // it is being joined already
	}
	ss.s.gap(cmd.table, cmd.reason)
	if ss.heartbeat.openFor() > ss.s.opts.Timing.Grace {
		return &ended{reason: "half_open", err: errors.New("changes and answers to heartbeats stay away")}
	}
	if cmd.redial {
		return &ended{reason: cmd.reason, err: errors.New("a channel is subscribed but delivers nothing, even after it was joined again")}
	}
	return ss.join(c)
}

// logRefusal logs a refusal once.
func (ss *session) logRefusal(c *channel, r *Refusal) {
	if c.t.channelError() != r.Error() {
		ss.s.log.Warn("channel does not deliver", "table", c.t.Name, "error", r)
	}
	c.t.setChannelError(r.Error())
}
