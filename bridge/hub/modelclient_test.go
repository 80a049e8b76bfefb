package hub_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"chatbridge/bridge/hub"
	"chatbridge/bridge/replay"
	"chatbridge/internal/history"
	"chatbridge/source"
)

// modelClient is a CRM: it keeps its history, comes back with its session and
// offset, and subscribes again to what it had.
type modelClient struct {
	m      *model
	client *hub.Client
	prior  *hub.Client
	// session is when its session began, which its private id tells.
	session time.Time
	owed    string // which its private id tells too
	// odd ones have been at ChatEngine: since their first connection they are given
	// messages under ChatEngine's ids. Under which ids they got each is in ids.
	names   replay.Naming
	namedIn int // the epoch
	named   bool
	ids     map[string][]string
	socket  *fakeSocket
	done    chan struct{}
	wanted  map[string]bool

	mu     sync.Mutex
	h      history.History
	offset string
	at     source.Position // of offset
	when   time.Time       // of offset
	most   int
	pause  time.Duration
	until  time.Time // stalled
	marks  int
	marked int
	gaps   int
	cuts   int
	// owed are, for each connection that did not restore a session, what the
	// client claimed.
	claims []claim
}

type claim struct {
	entry  int
	at     source.Position
	when   time.Time
	from   time.Time
	wanted []string
}

func newModelClient(m *model, name, ws string) *modelClient {
	return &modelClient{m: m, wanted: make(map[string]bool), ids: make(map[string][]string), most: 10, h: history.History{Client: name, Workspace: ws}}
}

func (c *modelClient) note(e history.Entry) {
	e.At = time.Now()
	c.h.Entries = append(c.h.Entries, e)
}

func (c *modelClient) connect() { c.connectAndSubscribe(0) }

// connectAndSubscribe subscribes some time after it has connected.
func (c *modelClient) connectAndSubscribe(after time.Duration) {
	if c.named && !c.names.Other {
		head := c.m.hub.HeadOffset()
		c.names = replay.Naming{Other: true, Since: head.Position, Created: head.Commit.UnixMicro()}
		c.namedIn = c.m.epoch
	}
	owed := c.m.hub.OwedFrom(c.offset, c.session, c.owed)
	c.client = &hub.Client{Workspace: c.h.Workspace, User: c.h.Client, Names: c.names, Owed: c.owed}
	recovered := c.prior != nil && c.m.hub.Resume(c.client, c.prior, c.offset)
	c.mu.Lock()
	c.note(history.Entry{Op: history.Connect, Recovered: recovered, Offset: c.at})
	if !recovered && c.offset != "" {
		c.claims = append(c.claims, claim{len(c.h.Entries), c.at, c.when, time.Now(), slices.Collect(maps.Keys(c.wanted))})
	}
	c.mu.Unlock()
	c.socket = c.m.namespace.socket(c.client, c.m.p.maxPackets, c.m.p.maxBytes)
	c.m.hub.Attach(c.client, c.socket, c.offset, c.session)
	if !recovered {
		c.session, c.owed = time.Now(), string(hub.AppendOffset(nil, owed))
	}
	c.done = make(chan struct{})
	go c.read(c.socket, c.done)
	time.Sleep(after)
	for conv := range c.wanted {
		c.note2(history.Entry{Op: history.Subscribe, Conversation: conv})
		c.m.hub.Subscribe(c.client, conv)
	}
}

func (c *modelClient) note2(e history.Entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.note(e)
}

func (c *modelClient) cut() {
	if c.socket == nil {
		return
	}
	c.socket.close()
	<-c.done
	c.m.hub.Detach(c.client)
	if c.m.p.sumUp {
		c.m.hub.SumUp(c.client)
	}
	c.note2(history.Entry{Op: history.Disconnect})
	c.prior, c.client, c.socket = c.client, nil, nil
	c.marks, c.marked = 0, 0
	c.cuts++
}

func (c *modelClient) subscribe(conv string) {
	if c.wanted[conv] {
		return
	}
	c.wanted[conv] = true
	if c.socket != nil {
		c.note2(history.Entry{Op: history.Subscribe, Conversation: conv})
		c.m.hub.Subscribe(c.client, conv)
	}
}

func (c *modelClient) unsubscribe(conv string) {
	if !c.wanted[conv] {
		return
	}
	if c.socket == nil {
		return // a page that is not connected cannot
	}
	delete(c.wanted, conv)
	c.note2(history.Entry{Op: history.Unsubscribe, Conversation: conv})
	c.m.hub.Unsubscribe(c.client, conv)
}

func (c *modelClient) setPace(n int, pause time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.most, c.pause, c.until = n, pause, time.Time{}
}

func (c *modelClient) stall(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = time.Now().Add(d)
}

func (c *modelClient) mark() {
	if c.socket != nil {
		c.marks++
		c.m.hub.Mark(c.client, hubMark)
	}
}

// forget drops what the client says it received.
func (c *modelClient) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.claims = nil
}

// read takes packets until the connection ends.
func (c *modelClient) read(s *fakeSocket, done chan struct{}) {
	defer close(done)
	for {
		c.mu.Lock()
		n, pause, stalled := c.most, c.pause, time.Until(c.until)
		c.mu.Unlock()
		if stalled > 0 {
			time.Sleep(min(stalled, 100*time.Millisecond))
		}
		moved, empty := s.waiting()
		if stalled > 0 {
			if _, open := s.take(0); !open {
				return
			}
			continue
		}
		packets, open := s.take(n)
		if !open {
			return
		}
		for _, p := range packets {
			c.receive(p.Text())
		}
		switch {
		case len(packets) > 0 && pause > 0:
			time.Sleep(pause)
		case empty:
			<-moved
		}
	}
}

// receive notes an event: 2["name",{...},"offset"].
func (c *modelClient) receive(text []byte) {
	var args []json.RawMessage
	if err := json.Unmarshal(text[1:], &args); err != nil {
		panic(err)
	}
	var name string
	_ = json.Unmarshal(args[0], &name)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch name {
	case "typing":
		return
	case "mark":
		c.marked++
		return
	case hub.GapEvent:
		var g struct {
			Since, Until   time.Time
			ConversationID string
			Reload         bool
		}
		if err := json.Unmarshal(args[1], &g); err != nil {
			panic(err)
		}
		c.gaps++
		if len(args) > 2 {
			_ = json.Unmarshal(args[2], &c.offset)
			o, err := hub.ParseOffset(c.offset)
			if err != nil {
				panic(err)
			}
			c.at, c.when = o.Position, o.Commit
		}
		c.note(history.Entry{Op: history.Receive, Kind: history.GapEvent, Gap: &history.Gap{
			Since: g.Since, Until: g.Until, Conversation: g.ConversationID, Reload: g.Reload,
		}})
		return
	}
	var p payload
	if err := json.Unmarshal(args[1], &p); err != nil {
		panic(err)
	}
	id := p.Message
	p.Message = strings.TrimPrefix(id, otherPrefix)
	if history.Kind(name) == history.Message {
		if !slices.Contains(c.ids[p.Message], id) {
			c.ids[p.Message] = append(c.ids[p.Message], id)
		}
	}
	var o hub.Offset
	if len(args) > 2 {
		_ = json.Unmarshal(args[2], &c.offset)
		var err error
		if o, err = hub.ParseOffset(c.offset); err != nil {
			panic(err)
		}
		c.at, c.when = o.Position, o.Commit
	}
	e := history.Entry{
		Op: history.Receive, Kind: history.Kind(name), Position: o.Position, Workspace: p.Workspace,
		Conversation: p.Conversation, Message: p.Message, Status: p.Status,
	}
	if e.Kind == history.MessageStatus {
		e.As.ID = id
	}
	c.note(e)
}

// missed lists what a client that came back without its session, but with an
// offset, neither received nor was told of: whatever was committed since.
func (c *modelClient) missed() string {
	var b strings.Builder
	type what struct{ kind, message, status string }
	got := make(map[what]bool)
	var told []history.Gap
	for _, e := range c.h.Entries {
		if e.Op == history.Receive && e.Gap == nil {
			got[what{string(e.Kind), e.Message, e.Status}] = true
		}
		if e.Gap != nil {
			told = append(told, *e.Gap)
		}
	}
	newest := make(map[string]source.Position)
	for _, ev := range c.m.truth.Events {
		if ev.Workspace == c.h.Workspace && ev.Kind != history.Message {
			newest[string(ev.Kind)+ev.Conversation+c.subject(ev)] = ev.Position
		}
	}
	for _, cl := range c.claims {
		cl.wanted = slices.DeleteFunc(cl.wanted, func(conv string) bool { // it gave them back
			return slices.ContainsFunc(c.h.Entries[cl.entry:], func(e history.Entry) bool {
				return e.Op == history.Unsubscribe && e.Conversation == conv
			})
		})
		for _, ev := range c.m.truth.Events {
			if ev.Workspace != c.h.Workspace || ev.At.Before(cl.when) || ev.At.Equal(cl.when) && ev.Position.Compare(cl.at) <= 0 || ev.At.After(cl.from) || got[what{string(ev.Kind), ev.Message, ev.Status}] {
				continue
			}
			if ev.Kind == history.Message && !slices.Contains(cl.wanted, ev.Conversation) ||
				ev.Kind != history.Message && newest[string(ev.Kind)+ev.Conversation+c.subject(ev)] != ev.Position {
				continue
			}
			covered := slices.ContainsFunc(told, func(g history.Gap) bool {
				return (g.Conversation == "" || g.Conversation == ev.Conversation) &&
					(g.Reload || !ev.At.Before(g.Since) && !ev.At.After(g.Until))
			})
			if !covered {
				fmt.Fprintf(&b, "%s claimed %v and was not told that it lacks %v\n", c.h.Client, cl.at, &ev)
				return b.String()
			}
		}
	}
	return b.String()
}

// misnamed lists the messages that the client got under more than one id, or under
// another than it should.
func (c *modelClient) misnamed() string {
	var b strings.Builder
	for i := range c.m.truth.Events {
		ev := &c.m.truth.Events[i]
		want, names := ev.Message, c.names
		if epoch(ev) > c.namedIn {
			names.Since = source.Position{} // all of it comes after
		}
		before := epoch(ev) < c.namedIn || // of an earlier history: the tables still have it
			c.names.Since == source.Position{} && ev.At.UnixMicro() <= c.names.Created
		if hasOther(ev) && !before && names.Applies(ev.Position, false, 0) {
			want = otherPrefix + want
		}
		if c.m.p.tables != nil && ev.At.UnixMicro() == c.names.Created {
			continue // a row does not tell which of one moment's messages came before
		}
		if got := c.ids[ev.Message]; ev.Kind == history.Message && len(got) > 0 && !slices.Equal(got, []string{want}) {
			fmt.Fprintf(&b, "%s got %v as %q, want %q alone\n", c.h.Client, ev, got, want)
		}
	}
	return b.String()
}

// restored tells that a session of the client's was restored.
func (c *modelClient) restored() bool {
	return slices.ContainsFunc(c.h.Entries, func(e history.Entry) bool { return e.Op == history.Connect && e.Recovered })
}

// dump prints the history.
func (c *modelClient) dump() string {
	var b strings.Builder
	for i, e := range c.h.Entries {
		fmt.Fprintf(&b, "    %d %s %v recovered %v offset %v conv %s %s %v %s %s", i, e.At.Format("05.000"), e.Op, e.Recovered, e.Offset, e.Conversation, e.Kind, e.Position, e.Message, e.Status)
		if e.Gap != nil {
			fmt.Fprintf(&b, " gap %s to %s of %q", e.Gap.Since.Format("05.000"), e.Gap.Until.Format("05.000"), e.Gap.Conversation)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func (c *modelClient) subject(ev history.Event) string {
	if ev.Kind == history.MessageStatus {
		return ev.Message
	}
	return ""
}
