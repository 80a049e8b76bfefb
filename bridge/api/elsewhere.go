package api

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"chatbridge/bridge/cluster"
	"chatbridge/bridge/gateway"
	"chatbridge/bridge/hub"
	"chatbridge/socketio"
	"chatbridge/socketio/engineio"
	"chatbridge/source"
)

// A client of a cluster may come back to another bridge. What that bridge has to know of its
// session is stored in Redis: never before the client has been sent all that it is owed out
// of order, and never with fewer conversations than it has subscribed to. So a subscription
// changes only after Redis has acknowledged that the stored session is invalid. A stored
// session may be outdated or lost: then the client begins a new session, which may repeat
// events but loses none.

// Elsewhere lets the bridges of a cluster resume each other's sessions. Sessions and Complete
// are used from many goroutines.
type Elsewhere struct {
	Sessions *cluster.Sessions
	// Complete returns the epoch of the log's events, and the ID after which the log has
	// everything; ok is false where something may be missing.
	Complete func() (epoch cluster.Epoch, from cluster.ID, ok bool)
	// Refresh is how often a connected client's session is stored again.
	Refresh time.Duration
}

const (
	// findTimeout bounds the search for a stored session, takeTimeout taking it over, and
	// headTimeout the wait for the event that a client received last.
	findTimeout = time.Second
	takeTimeout = time.Second
	headTimeout = 2 * time.Second
	// refreshPoll is how often all connected clients are checked.
	refreshPoll = 2 * time.Second
)

// sessionBody is a session's JSON in Redis.
type sessionBody struct {
	Format        int           `json:"v"`
	Epoch         cluster.Epoch `json:"epoch"`
	Workspace     string        `json:"workspace"`
	User          string        `json:"user"`
	ID            string        `json:"id"`
	Conversations []string      `json:"conversations,omitempty"`
	Again         bool          `json:"again,omitempty"`
	Since         string        `json:"since"`
	Given         string        `json:"given"`
}

const sessionFormat = 1

// found is the stored session that a client wants to resume.
type found struct {
	asked bool // Redis was asked, and answered
	cluster.StoredSession
	// own tells that this bridge has the newest version of the session, whether or not it
	// could be restored.
	own bool
}

// findStored reads the stored session that a client wants to resume, and waits until this
// bridge has read the event that the client received last.
func (s *Server) findStored(ctx context.Context, c *client, h *socketio.Handshake) {
	if s.opts.Elsewhere == nil || c.Feed || h.PID == "" || gateway.OfUpstream(h.PID) || socketio.SessionBegan(h.PID).IsZero() {
		return
	}
	asking, cancel := context.WithTimeout(ctx, findTimeout)
	k, err := s.opts.Elsewhere.Sessions.Find(asking, h.PID)
	cancel()
	c.found.asked, c.found.StoredSession = err == nil, k
	if h.Offset == "" {
		return
	}
	waiting, cancel := context.WithTimeout(ctx, headTimeout)
	defer cancel()
	s.hub.AwaitHead(waiting, h.Offset)
}

// isNewest tells whether prior, a session of this bridge, is the newest version of the session:
// no other bridge has had it since. If that is not known it returns false.
func (c *client) isNewest(prior *client) bool {
	k := prior.shared
	if k == nil {
		return true
	}
	return k.Newest(c.found.asked, &c.found.StoredSession)
}

// resumeOwn restores a session that this bridge had.
func (s *Server) resumeOwn(c, prior *client, offset string) bool {
	if !c.isNewest(prior) {
		return false
	}
	c.found.own = true
	if !s.hub.Resume(c.Client, prior.Client, offset) {
		return false
	}
	if prior.shared != nil {
		c.shared = prior.shared
	}
	return true
}

// resumeElsewhere restores a session that another bridge had, to the same user of the same
// workspace. It returns the id of the session's socket.
func (s *Server) resumeElsewhere(c *client, pid, offset string) (id string, ok bool) {
	if c.shared == nil || !c.found.asked || !c.found.Sound || c.found.own || len(c.found.Body) == 0 {
		return "", false
	}
	var body sessionBody
	if json.Unmarshal(c.found.Body, &body) != nil || body.Format != sessionFormat || body.ID == "" ||
		body.Workspace != c.Workspace || body.User != c.User {
		return "", false
	}
	history := s.hub.History()
	epoch, from, complete := s.opts.Elsewhere.Complete()
	since, err := source.ParsePosition(body.Since)
	given, err2 := source.ParsePosition(body.Given)
	if !complete || !epoch.Continues(body.Epoch) || err != nil || err2 != nil {
		return "", false
	}
	o, err := hub.ParseOffset(claimed(pid, offset))
	if err != nil || from.After(cluster.EventID(o.Position)) {
		return "", false
	}
	taking, cancel := context.WithTimeout(s.hub.Context(), takeTimeout)
	defer cancel()
	version, ok, err := s.opts.Elsewhere.Sessions.Take(taking, pid, c.found.Version)
	if err != nil || !ok {
		return "", false
	}
	p := hub.Portable{Conversations: body.Conversations, Again: body.Again, Since: since, Given: given}
	if !s.hub.ResumePortable(c.Client, &p, history, from.Position(), offset) {
		s.counters.elsewhere(false)
		return "", false
	}
	s.counters.elsewhere(true)
	c.shared = cluster.NewTakenOver(s.opts.Elsewhere.Sessions, c.Workspace, version)
	return body.ID, true
}

// keep stores in Redis what other bridges have to know of a client's session. It does
// nothing while the client is still owed something.
func (s *Server) keep(c *client, socket *socketio.Socket) {
	k := c.shared
	if k == nil {
		return
	}
	stored := k.Keep(socket.PID(), func() ([]byte, bool) {
		// Before the positions: after them, the epoch could be newer than they are.
		epoch, _, _ := s.opts.Elsewhere.Complete()
		p, ok := s.hub.Portable(c.Client)
		if !ok || epoch.IsZero() {
			return nil, false
		}
		text, _ := json.Marshal(sessionBody{ // nothing in it can fail
			Format: sessionFormat, Epoch: epoch, Workspace: c.Workspace, User: c.User, ID: socket.ID(),
			Conversations: p.Conversations, Again: p.Again, Since: p.Since.String(), Given: p.Given.String(),
		})
		return text, true
	}, func() { s.takenOver(c, socket) })
	if !stored {
		s.logged.do("sessions not stored", func() {
			s.log.Warn("a client's session is not stored in Redis, because those of its workspace or of this bridge take their share of it, or Redis is full: if the client comes to another bridge it begins a new session there; more of the same are only counted",
				"workspace", c.Workspace, "remedy", "see who opens so many sessions or subscriptions; for more of them: replay.max_bytes, of which an eighth is for them, and Redis' maxmemory")
		})
	}
}

// takenOver ends a session that another bridge has taken over: the client is there.
func (s *Server) takenOver(c *client, socket *socketio.Socket) {
	c.shared.End()
	socket.Close(engineio.Replaced)
}

// change calls apply, which changes a client's subscriptions, after the stored session was
// invalidated. It returns false if that failed: then the client begins a new session.
func (s *Server) change(c *client, socket *socketio.Socket, apply func()) bool {
	k := c.shared
	if k == nil {
		apply()
		return true
	}
	switch err := k.Change(s.hub.Context(), apply); {
	case err == nil:
		s.keep(c, socket)
		return true
	case errors.Is(err, cluster.ErrTakenOver):
		socket.Close(engineio.Replaced)
	default:
		s.logged.do("sessions", func() {
			s.log.Warn("a client that subscribed was closed to begin anew: Redis could not be told that its session has changed; more of the same are only counted", "error", err)
		})
		socket.Close(engineio.ServerClose)
	}
	return false
}

// refreshShared stores the sessions of connected clients again, before they expire or after a
// failure, until ctx ends.
func (s *Server) refreshShared(ctx context.Context) {
	tick := time.NewTicker(refreshPoll)
	defer tick.Stop()
	for {
		older := s.opts.Elsewhere.Refresh
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-s.keepAll:
			older = 0
		}
		for socket := range s.io.Namespace(hub.Namespace).Sockets() {
			c, ok := socket.Data().(*client)
			if ok && c.shared != nil && c.shared.Due(time.Now(), older) {
				s.keep(c, socket)
			}
		}
	}
}

// settled stores a session that can be resumed elsewhere from now on, if the stored version
// is old: a recent one stays valid.
func (s *Server) settled(c *client, socket *socketio.Socket) {
	if c.shared.Due(time.Now(), s.opts.Elsewhere.Refresh) {
		s.keep(c, socket)
	}
}

// KeepAll stores all clients' sessions again, because stored ones may be lost. It does not
// wait, and is safe for concurrent use.
func (s *Server) KeepAll() { signal(s.keepAll) }
