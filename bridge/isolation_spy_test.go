package bridge_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"chatbridge/internal/sioclient"
)

// spy is a client of one workspace that looks for anything of the other one.
type spy struct {
	*sioclient.Client
	name         string
	own, foreign *tenant
	// expect are the own conversations whose messages it must get: nil is all,
	// an empty list none.
	expect []string
	tap    *tap
	cancel context.CancelFunc
	done   chan struct{}
	err    error // of Run, once done is closed

	// recovered is what the first CONNECT said; set before newSpy returns.
	recovered bool

	mu       sync.Mutex
	pid      string
	offset   string
	messages map[string]bool
	events   int
	leaks    []string
	changed  chan struct{}
}

func spyOn(t *testing.T, url, name string, own, foreign *tenant, expect []string, auth map[string]any, onConnect func(*spy, sioclient.Session)) *spy {
	t.Helper()
	s := &spy{
		name: name, own: own, foreign: foreign, expect: expect, tap: &tap{marks: foreign.marks}, done: make(chan struct{}),
		messages: make(map[string]bool), changed: make(chan struct{}, 1),
	}
	var err error
	s.Client, err = sioclient.New(sioclient.Options{
		URL: url, Path: "/api/ws", Auth: auth, Dialer: &websocket.Dialer{NetDialContext: s.tap.dial, HandshakeTimeout: 30 * time.Second},
		Backoff:   sioclient.Backoff{Delay: 10 * time.Millisecond, Most: 200 * time.Millisecond},
		OnConnect: func(c sioclient.Session) { onConnect(s, c) },
		OnEvent:   s.take,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s.cancel = cancel
	go func() {
		defer close(s.done)
		s.err = s.Run(ctx)
	}()
	t.Cleanup(func() { s.close(t) })
	return s
}

// newSpy returns a spy that has connected and subscribed.
func newSpy(t *testing.T, url, name string, own, foreign *tenant, expect []string, auth map[string]any, subscribe ...string) *spy {
	t.Helper()
	connected := make(chan struct{})
	var once sync.Once
	s := spyOn(t, url, name, own, foreign, expect, auth, func(s *spy, c sioclient.Session) {
		for _, id := range subscribe {
			_ = s.Emit("subscribe:conversation", id)
		}
		s.mu.Lock()
		s.pid = c.PID
		s.mu.Unlock()
		once.Do(func() {
			s.recovered = c.Recovered
			close(connected)
		})
	})
	select {
	case <-connected:
	case <-s.done:
		t.Fatalf("%s of %s was refused: %v", name, own.user, s.err)
	case <-time.After(60 * time.Second):
		t.Fatalf("%s of %s could not connect", name, own.user)
	}
	return s
}

// refusedSpy returns a spy whose Run has ended.
func refusedSpy(t *testing.T, url, name string, own, foreign *tenant, auth map[string]any) *spy {
	t.Helper()
	s := spyOn(t, url, name, own, foreign, nil, auth, func(*spy, sioclient.Session) {
		t.Errorf("%s of %s was let in", name, own.user)
	})
	select {
	case <-s.done:
	case <-time.After(60 * time.Second):
		t.Fatalf("%s of %s was not refused", name, own.user)
	}
	return s
}

// take looks at an event's members. (The tap looks at the bytes.)
func (s *spy) take(e sioclient.Event) {
	p := payloadOf(e)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events++
	foreign := p.WorkspaceID != "" && p.WorkspaceID != s.own.workspace
	switch e.Name {
	case "message":
		if p.ID == "made-up" {
			break // what it tried to send itself is shown to it, as failed
		}
		s.messages[p.ID] = true
		foreign = foreign || !slices.Contains(s.own.conversations, p.ConversationID)
	case "conversation":
		foreign = foreign || !slices.Contains(s.own.conversations, p.ID)
	case "messageStatus":
		foreign = foreign || !slices.Contains(s.own.conversations, p.ConversationID) && p.MessageID != "made-up"
	case "typing":
		foreign = !slices.Contains(s.own.conversations, p.ConversationID)
	}
	if foreign {
		s.leaks = append(s.leaks, fmt.Sprintf("%s %s", e.Name, e.Args[0]))
	}
	var offset string
	if json.Unmarshal(e.Args[len(e.Args)-1], &offset) == nil {
		s.offset = offset
	}
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

func (s *spy) identity() (pid, offset string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pid, s.offset
}

func (s *spy) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.events
}

func (s *spy) await(t *testing.T, what func() string, ok func() bool) {
	t.Helper()
	timeout := time.After(90 * time.Second)
	for {
		s.mu.Lock()
		done := ok()
		s.mu.Unlock()
		if done {
			return
		}
		select {
		case <-s.changed:
		case <-timeout:
			t.Fatalf("%s of %s: %s", s.name, s.own.user, what())
		}
	}
}

func (s *spy) awaitEvent(t *testing.T) {
	t.Helper()
	s.await(t, func() string { return "received nothing" }, func() bool { return s.offset != "" })
}

// awaitExpected waits until the spy has all messages that it must get, and
// fails where one is not its workspace's. Others of its own it may have: until
// its subscription arrives, which on a busy machine takes its time, it counts
// as one that has none.
func (s *spy) awaitExpected(t *testing.T) {
	t.Helper()
	var want []string
	if s.expect == nil || len(s.expect) > 0 {
		want = s.own.all(s.expect...)
	}
	missing := 0
	s.await(t, func() string { return fmt.Sprintf("lacks %d of %d messages", missing, len(want)) }, func() bool {
		missing = 0
		for _, id := range want {
			if !s.messages[id] {
				missing++
			}
		}
		return missing == 0
	})
	own := s.own.all()
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.messages {
		if _, found := slices.BinarySearch(own, id); !found {
			s.leaks = append(s.leaks, "a message that is not its own: "+id)
		}
	}
}

// ask sends an event and judges the acknowledgement; an empty code is any.
func (s *spy) ask(t *testing.T, ok bool, code, name string, args ...any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	answers, err := s.EmitAck(ctx, name, args...)
	if err != nil || len(answers) == 0 {
		t.Errorf("%s of %s: %s: %v", s.name, s.own.user, name, err)
		return
	}
	var a struct {
		OK    bool
		Error struct{ Code string }
	}
	if err := json.Unmarshal(answers[0], &a); err != nil || a.OK != ok || code != "" && a.Error.Code != code {
		t.Errorf("%s of %s: %s answered %s, want ok %v %s", s.name, s.own.user, name, answers[0], ok, code)
	}
}

// close ends the spy, reports what leaked to it and returns the number of
// events that it received. It may be called again.
func (s *spy) close(t *testing.T) int {
	s.cancel()
	<-s.done
	s.mu.Lock()
	defer s.mu.Unlock()
	if leaks := append(s.tap.found(), s.leaks...); len(leaks) > 0 {
		t.Errorf("%s of %s received %d times what is not its own, first: %s", s.name, s.own.user, len(leaks), leaks[0])
	}
	s.leaks = nil
	return s.events
}

// tap reads everything that a connection receives for the marks.
type tap struct {
	marks []string

	mu    sync.Mutex
	leaks []string
}

func (p *tap) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &tappedConn{Conn: c, tap: p}, nil
}

func (p *tap) found() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	leaks := p.leaks
	p.leaks = nil
	return leaks
}

// tappedConn keeps the end of what was read, for marks that two reads share.
type tappedConn struct {
	net.Conn
	tap  *tap
	tail []byte
}

// maxTail is longer than any mark.
const maxTail = 64

func (c *tappedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	seen := append(c.tail, b[:n]...)
	for _, mark := range c.tap.marks {
		if i := bytes.Index(seen, []byte(mark)); i >= 0 {
			c.tap.mu.Lock()
			c.tap.leaks = append(c.tap.leaks, fmt.Sprintf("the mark %q in …%q…", mark, seen[max(0, i-40):min(len(seen), i+80)]))
			c.tap.mu.Unlock()
		}
	}
	c.tail = append(c.tail[:0], seen[max(0, len(seen)-maxTail):]...)
	return n, err
}
