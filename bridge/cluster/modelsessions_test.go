package cluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"chatbridge/bridge/cluster"
)

// The clients of the model. Each follows some of the conversations, leaves at times, or is
// cut off when its node dies, and comes to whichever node with the private id and the
// offset that it has. It believes in what was acknowledged to it, so a session that goes on
// must go on with all of its subscriptions, and with everything after its offset.

// conversations is how many there are in the model.
const conversations = 4

// conversationOf is the one that an event is in.
func conversationOf(id cluster.ID) int { return int((id.Commit + id.Sub>>20) % conversations) }

// run is what Redis does of a Shared's scripts; see scripts.go.
func (n *node) runScript(ctx context.Context, script cluster.Script, keys []string, args []any) (any, error) {
	if err := n.pass(ctx); err != nil {
		return nil, err
	}
	f := n.w.redis
	f.mu.Lock()
	conn := &fakeConn{f, n.sharedRNG, f.lives} // it connects for each
	f.mu.Unlock()
	var happened any
	err := conn.step(ctx, func() { happened = f.script(script, keys, args) })
	if err == nil {
		err = conn.answered()
	}
	answer := happened // which may come to be later
	f.mu.Unlock()
	if err == nil {
		err = n.pass(ctx)
	}
	return answer, err
}

func text(arg any) string {
	if b, ok := arg.([]byte); ok {
		return string(b)
	}
	return fmt.Sprint(arg)
}

// script does one; mu is held.
func (f *fakeRedis) script(script cluster.Script, keys []string, args []any) (answer any) {
	run := fmt.Sprintf("%040d", f.lives) // a failover or a restart leads to another process
	set := func(key, value string) {
		f.change(func(s *redisState) {
			s.values = maps.Clone(s.values)
			if s.values == nil {
				s.values = map[string]string{}
			}
			s.values[key] = value
		})
	}
	kept, found := f.now.values[keys[0]]
	switch script {
	case "put":
		out := []any{}
		for i, key := range keys {
			version := text(args[1+2*i])
			if kept, found := f.now.values[key]; found && kept[:16] > version {
				out = append(out, kept[:16])
				continue
			}
			set(key, version+run+text(args[2+2*i]))
			out = append(out, "")
		}
		return out
	case "find":
		if !found {
			return []any{}
		}
		sound := int64(0)
		if kept[16:56] == run {
			sound = 1
		}
		return []any{kept[:16], sound, kept[56:]}
	case "take":
		if !found || kept[:56] != text(args[1])+run || len(kept) == 56 {
			return int64(0)
		}
		set(keys[0], text(args[2])+run)
		return int64(1)
	case "order":
		if rank := text(args[1]); rank != "" && (!found || kept[:32] < rank) {
			set(keys[0], rank+text(args[2]))
			return "put"
		}
		return kept
	}
	panic("no script " + script)
}

// session is a client's session at a node, as its Hub has it.
type session struct {
	l    *life
	pid  string
	kept *cluster.SharedSession

	mu sync.Mutex
	// sent is up to where the client has been sent what it sees, since an offset past it
	// proves that it has all that it was owed.
	sent, since   cluster.ID
	conversations map[int]bool
	queue         []cluster.ID // sent, and not read
	closed        bool
}

func (s *session) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

// pump sends what there is. s.mu and l.mu are held.
func (s *session) pump() {
	if s.closed {
		return // the log may have begun anew since
	}
	for _, id := range after(s.l.applied, s.sent) {
		if s.conversations[conversationOf(id)] {
			s.queue = append(s.queue, id)
		}
		s.sent = id
	}
}

// sessionBody is what is kept of one.
type sessionBody struct {
	Conversations map[int]bool
	Since         cluster.ID
}

func (s *session) keep() {
	s.kept.Keep(s.pid, func() ([]byte, bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		body, _ := json.Marshal(sessionBody{s.conversations, s.since})
		return body, !s.closed
	}, func() { s.kept.End(); s.close() })
}

// change subscribes, or takes that back, and returns from where on that is so.
func (s *session) change(ctx context.Context, conversation int, subscribe bool) (at cluster.ID, ok bool) {
	gone := false
	err := s.kept.Change(ctx, func() {
		s.l.mu.Lock()
		defer s.l.mu.Unlock()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.pump()
		gone = s.closed
		s.conversations = maps.Clone(s.conversations)
		if delete(s.conversations, conversation); subscribe {
			s.conversations[conversation] = true
		}
		at, s.since = s.sent, s.sent
	})
	if err != nil || gone {
		s.close()
		return at, false
	}
	s.keep()
	return at, true
}

// accept gives a client a session: that which it asks for where it can be gone on with. While
// the node has yet to be given what there is, there is none, as with the answer 503: it was
// ready when the client came, and has begun anew while that waited.
func (l *life) accept(ctx context.Context, pid string, offset cluster.ID, fresh string) (s *session, recovered bool) {
	asked, found := false, cluster.StoredSession{}
	if pid != "" {
		asking, cancel := context.WithTimeout(ctx, time.Second)
		k, err := l.sessions.Find(asking, pid)
		cancel()
		asked, found = err == nil, k
		for range 20 { // for the head
			if l.has(offset) || ctx.Err() != nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if s := l.resume(ctx, pid, offset, asked, &found); s != nil {
			return s, true
		}
	}
	l.mu.Lock()
	begun := len(l.before)
	l.mu.Unlock()
	_, from, whole := l.node.Complete()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !whole || begun != len(l.before) {
		return nil, false
	}
	s = &session{l: l, pid: fresh, kept: cluster.NewSharedSession(l.sessions, "w"), sent: from, conversations: map[int]bool{}, closed: l.gone}
	if n := len(l.applied); n > 0 {
		s.sent = l.applied[n-1]
	}
	s.since = s.sent
	l.own[fresh] = s
	return s, false
}

// has tells whether the node has been given the event of an offset.
func (l *life) has(offset cluster.ID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.applied)
	return n > 0 && !offset.After(l.applied[n-1])
}

// resume goes on with a session, nil where that is not certain.
func (l *life) resume(ctx context.Context, pid string, offset cluster.ID, asked bool, found *cluster.StoredSession) *session {
	l.mu.Lock()
	prior, begun := l.own[pid], len(l.before)
	l.mu.Unlock()
	_, from, whole := l.node.Complete()
	next := &session{l: l, pid: pid, sent: offset}
	switch {
	case prior != nil && prior.kept.Newest(asked, found):
		prior.close()
		prior.mu.Lock()
		next.conversations, next.since, next.kept = prior.conversations, prior.since, prior.kept
		prior.mu.Unlock()
	case asked && found.Sound && len(found.Body) > 0 && whole:
		var body sessionBody
		if json.Unmarshal(found.Body, &body) != nil || from.After(offset) {
			return nil
		}
		taking, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		version, ok, err := l.sessions.Take(taking, pid, found.Version)
		if err != nil || !ok {
			return nil
		}
		next.conversations, next.since, next.kept = body.Conversations, body.Since, cluster.NewTakenOver(l.sessions, "w", version)
	default:
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.applied); l.gone || begun != len(l.before) || !offset.After(next.since) || n == 0 || offset.After(l.applied[n-1]) || !whole || from.After(offset) {
		return nil
	}
	l.own[pid] = next
	return next
}

// letGo closes all sessions of a node. l.mu is held.
func (l *life) letGo() {
	for _, s := range l.own {
		s.close()
	}
	clear(l.own)
}

// visitor is a client.
type visitor struct {
	w    *world
	name string
	rng  *rand.Rand

	session *session
	node    *node
	pid     string
	offset  cluster.ID
	// follows are the conversations that were acknowledged, with the event of each that it
	// has last, or the place from which on it has them.
	follows map[int]cluster.ID

	began, restored, elsewhere int
	faults                     []string
}

// run lets the client come and go until ctx ends.
func (v *visitor) run(ctx context.Context) {
	for ctx.Err() == nil {
		v.sleep(ctx, 400*time.Millisecond)
		if v.session == nil && !v.connect(ctx) {
			continue
		}
		v.read()
		s := v.session
		s.mu.Lock()
		closed := s.closed
		s.mu.Unlock()
		switch {
		case closed || v.w.loud() && v.rng.IntN(75) == 0: // the connection broke
			v.session = nil
			if v.rng.IntN(2) == 0 { // and what was sent is lost with it
				v.sleep(ctx, time.Second)
			}
		case len(v.follows) == 0 || v.w.loud() && v.rng.IntN(30) == 0:
			c := v.rng.IntN(conversations)
			_, has := v.follows[c]
			if at, ok := s.change(ctx, c, !has); !ok {
				continue
			} else if has {
				v.read() // what was sent until then
				delete(v.follows, c)
			} else {
				v.follows[c] = at
			}
		case s.kept.Due(time.Now(), 10*time.Second):
			s.keep()
		}
	}
}

func (v *visitor) sleep(ctx context.Context, most time.Duration) {
	select {
	case <-time.After(time.Duration(v.rng.Int64N(int64(most)))):
	case <-ctx.Done():
	}
}

func (v *visitor) connect(ctx context.Context) bool {
	n := v.w.nodes[v.rng.IntN(len(v.w.nodes))]
	l := n.serving()
	if l == nil {
		return false
	}
	v.began++
	fresh := fmt.Sprintf("%s-%d", v.name, v.began)
	s, recovered := l.accept(ctx, v.pid, v.offset, fresh)
	if s == nil {
		return false
	}
	if recovered {
		v.restored++
		if v.node != n {
			v.elsewhere++
		}
	} else {
		v.pid, v.offset, v.follows = fresh, cluster.ID{}, map[int]cluster.ID{}
	}
	v.session, v.node = s, n
	return true
}

// read takes what was sent.
func (v *visitor) read() {
	s := v.session
	s.l.mu.Lock()
	s.mu.Lock()
	s.pump()
	queue := s.queue
	s.queue = nil
	s.mu.Unlock()
	s.l.mu.Unlock()
	for _, id := range queue {
		c := conversationOf(id)
		last, follows := v.follows[c]
		if !follows {
			continue // it was acknowledged a moment later
		}
		if next, ok := v.w.next(last, c); !ok || next != id {
			v.faults = append(v.faults, fmt.Sprintf("Resumable: %s at %s was sent %v after %v of conversation %d, and not %v", v.name, s.l.name, id, last, c, next))
		}
		v.follows[c], v.offset = id, id
	}
}

// judge says what is wrong with what the client has at the end.
func (v *visitor) judge() []string {
	if v.session == nil {
		return append(v.faults, "Prompt: "+v.name+" is not connected at the end")
	}
	v.read()
	for c, last := range v.follows {
		if next, ok := v.w.next(last, c); ok {
			v.faults = append(v.faults, fmt.Sprintf("Reliable: %s at %s lacks %v and all after it of conversation %d", v.name, v.session.l.name, next, c))
		}
	}
	return v.faults
}
