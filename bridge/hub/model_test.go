package hub_test

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chatbridge/bridge/hub"
	"chatbridge/bridge/replay"
	"chatbridge/internal/history"
	"chatbridge/mapping/contract"
	"chatbridge/socketio"
	"chatbridge/source"
)

// The model of the Hub: a scripted source, clients that read slowly, stall and
// vanish, and every history judged by internal/history. A seed gives a program;
// a program that fails is made as short as it can be, and printed.

var (
	seeds   = flag.Int("model.seeds", defaultSeeds, "programs that the model runs")
	shorten = flag.Bool("model.shrink", true, "look for the shortest program that still fails")
	verbose = flag.Bool("model.history", false, "print the history of a client that fails")
	first   = flag.Uint64("model.first", 1, "the first one's seed")
)

// op is one step of a program. Which of the fields count depends on the kind.
type op struct {
	kind   opKind
	client int
	ws     int
	conv   int
	msg    int
	n      int // packets, or a size in bytes
	pause  time.Duration
	settle bool // let everything come to rest after it
}

type opKind int

const (
	opPublish opKind = iota
	opStatus
	opConversation
	opBurst // many messages and statuses at once, in one conversation
	opLarge // a message larger than a queue
	opWhisper
	opSleep
	opConnect
	opCut
	opSubscribe
	opUnsubscribe
	opPace  // a client reads n packets, then pauses
	opStall // a client stops reading for a time
	opMark
	opGap     // the source has lost something
	opRestore // the database has another history
	opRestart // the bridge is another process
	opFlood   // another workspace fills the log
	opKinds
)

var opNames = [opKinds]string{
	"publish", "status", "conversation", "burst", "large", "broadcast", "sleep", "connect", "cut",
	"subscribe", "unsubscribe", "pace", "stall", "mark", "gap", "restore", "restart", "flood",
}

func (o op) String() string {
	return fmt.Sprintf("{%s client %d ws %d conv %d msg %d n %d pause %v settle %v}", opNames[o.kind], o.client, o.ws, o.conv, o.msg, o.n, o.pause, o.settle)
}

// program is what a seed gives.
type program struct {
	replay     replay.Options
	grace      time.Duration
	maxPackets int
	maxBytes   int
	clients    int
	// sumUp: there is no room for the sessions of clients that left.
	sumUp bool
	// shares bound each workspace. Where floods are set, they alone may fill the log.
	shares hub.Shares
	floods bool
	// tables are what the Hub reads of what the log does not hold, nil for none.
	tables *fakeTables
	// far is how far back they are read; 0 is a day.
	far time.Duration
	ops []op
}

const (
	// maxHealings is how often one connection of a program may read the tables.
	maxHealings = 8

	modelWindow = 10 * time.Second
	largeSize   = 5000
)

// weights are how often each kind of step comes.
var weights = [opKinds]int{30, 20, 10, 6, 2, 3, 12, 14, 6, 14, 5, 4, 3, 2, 1, 1, 1, 0}

func generate(seed uint64) program {
	r := rand.New(rand.NewPCG(seed, 7))
	p := program{
		replay:     replay.Options{Window: modelWindow, MaxEvents: 1 << 20, MaxBytes: 1 << 30},
		grace:      300 * time.Millisecond,
		maxPackets: 4 + r.IntN(60), maxBytes: 600 + r.IntN(4000),
		clients: 1 + r.IntN(4),
	}
	if r.IntN(2) == 0 { // the log is too small
		p.replay.MaxEvents = 20 + r.IntN(300)
	}
	p.sumUp = seed%3 == 0
	rare := r.IntN(3) == 0 // gaps, restores and restarts
	total := 0
	for _, w := range weights {
		total += w
	}
	for range 20 + r.IntN(160) {
		n, kind := r.IntN(total), opKind(0)
		for n >= weights[kind] {
			n -= weights[kind]
			kind++
		}
		if kind >= opGap && !rare {
			kind = opSleep
		}
		o := op{
			kind: kind, client: r.IntN(p.clients), ws: max(r.IntN(5)-3, 0), conv: r.IntN(3), msg: r.IntN(5),
			n: 1 + r.IntN(20), settle: r.IntN(3) == 0,
		}
		switch kind {
		case opSleep:
			o.pause = []time.Duration{time.Millisecond, 20 * time.Millisecond, 400 * time.Millisecond, 3 * time.Second, 14 * time.Second, 40 * time.Second}[r.IntN(6)]
		case opPace:
			o.pause = time.Duration(r.IntN(200)) * time.Millisecond
		case opStall:
			o.pause = time.Duration(r.IntN(6000)) * time.Millisecond
		case opBurst:
			o.n = 10 + r.IntN(150)
		}
		p.ops = append(p.ops, o)
	}
	if seed%4 == 1 {
		p.flood(rand.New(rand.NewPCG(seed, 8)))
	}
	if r := rand.New(rand.NewPCG(seed, 9)); r.IntN(2) == 0 {
		p.tables = &fakeTables{rows: r.IntN(3) * 20, takes: time.Duration(r.IntN(3)) * 300 * time.Millisecond}
		if r.IntN(3) == 0 {
			p.tables.fails = func(n int) bool { return n%3 == 0 }
		}
		p.far = []time.Duration{0, 20 * time.Second, 50 * time.Second}[r.IntN(3)]
		for i := range p.ops {
			if p.ops[i].kind == opConnect && r.IntN(3) == 0 {
				p.ops[i].pause = time.Duration(r.IntN(10)) * 100 * time.Millisecond
			}
		}
	}
	return p
}

// flood makes the log one that no workspace fills but a flood, and adds floods. In
// half of the programs a workspace has no more than a share of it.
func (p *program) flood(r *rand.Rand) {
	most := 0 // events of one workspace
	for _, o := range p.ops {
		switch o.kind {
		case opPublish, opConversation, opLarge:
			most++
		case opStatus:
			most += 2 // under two ids
		case opBurst:
			most += o.n + 2*((o.n+2)/3)
		}
	}
	p.floods = true
	p.replay.MaxEvents = 3*most + 10
	if r.IntN(2) == 0 {
		p.replay.WorkspaceEvents = most + 1
	}
	for range 1 + r.IntN(2) {
		o := op{kind: opFlood, n: r.IntN(2 * p.replay.MaxEvents), settle: r.IntN(3) == 0}
		p.ops = slices.Insert(p.ops, r.IntN(len(p.ops)+1), o)
	}
}

// model is a program being run.
type model struct {
	p         program
	t         *testing.T // of the bubble
	namespace *fakeNamespace
	hub       *hub.Hub
	stop      func()
	clients   []*modelClient
	truthMu   sync.Mutex // of appending to truth, and of the tables' reading
	truth     history.Truth
	published int // of truth's events: those that are in the tables
	commit    uint64
	epoch     int
	late      []history.Event // that the process has yet to read
	// lost tells that a program is one in which something may be announced as
	// lost: the log is too small, or an operation said so.
	lost bool
}

// run runs a program, and returns what is wrong.
func run(t *testing.T, p program) (wrong string) {
	synctest.Test(t, func(t *testing.T) {
		if p.tables != nil {
			p.tables = &fakeTables{rows: p.tables.rows, fails: p.tables.fails, takes: p.tables.takes}
		}
		m := &model{p: p, lost: p.replay.MaxEvents < 1<<20 && !p.floods, commit: 100}
		m.truth.Marks = map[string][]string{}
		m.start(t)
		for i := range p.clients {
			c := newModelClient(m, fmt.Sprintf("client%d", i), fmt.Sprintf("ws%d", max(i-2, 0)))
			c.named = i%2 == 1
			m.clients = append(m.clients, c)
		}
		for _, o := range p.ops {
			time.Sleep(3 * time.Millisecond) // so that times tell the order
			m.step(t, o)
			if o.settle {
				synctest.Wait()
			}
		}
		wrong = m.finish()
		for _, c := range m.clients {
			c.cut()
		}
		m.stop()
	})
	return wrong
}

func (m *model) start(t *testing.T) {
	m.t = t
	m.namespace = newFakeNamespace()
	o := hub.Options{
		Replay: m.p.replay, SubscribeGrace: m.p.grace, MaxSubscriptions: 100, Workspace: m.p.shares, Logger: slog.New(slog.DiscardHandler),
	}
	if m.p.tables != nil {
		o.Far, o.FarLimit = &tablesOf{m.p.tables, m}, cmp.Or(m.p.far, 24*time.Hour)
	}
	m.hub = hub.New(m.namespace, o)
	m.namespace.hub = m.hub
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	h := m.hub
	go func() {
		defer close(done)
		_ = h.Run(ctx)
	}()
	m.stop = func() { cancel(); <-done }
}

func (m *model) step(t *testing.T, o op) {
	switch o.kind {
	case opConnect, opCut, opSubscribe, opUnsubscribe, opPace, opMark:
	default:
		m.catchUp()
	}
	ws := fmt.Sprintf("ws%d", o.ws)
	conv := fmt.Sprintf("c%d", o.conv)
	msg := fmt.Sprintf("m%d", o.msg)
	c := m.clients[o.client]
	switch o.kind {
	case opPublish:
		m.commit++
		m.publish(ws, history.Message, conv, m.id(conv), "sent", 0)
	case opStatus:
		m.commit++
		m.publish(ws, history.MessageStatus, conv, msg+conv, fmt.Sprintf("s%d.%d", m.epoch, m.commit), 0)
	case opConversation:
		m.commit++
		m.publish(ws, history.Conversation, conv, fmt.Sprintf("u%d.%d", m.epoch, m.commit), "", 0)
	case opBurst:
		for i := range o.n {
			m.commit++
			id := m.id(conv)
			m.publish(ws, history.Message, conv, id, "sent", 0)
			if i%3 == 0 {
				m.commit++
				m.publish(ws, history.MessageStatus, conv, id, fmt.Sprintf("s%d.%d", m.epoch, m.commit), 0)
			}
		}
	case opLarge:
		m.commit++
		m.publish(ws, history.Message, conv, m.id(conv), "sent", largeSize)
	case opWhisper:
		m.hub.Broadcast(ws, socketio.NewEvent("/", "typing", []byte(`{"workspaceId":"`+ws+`"}`)))
	case opSleep:
		time.Sleep(o.pause)
	case opConnect:
		c.cut()
		c.connectAndSubscribe(o.pause)
	case opCut:
		c.cut()
	case opSubscribe:
		c.subscribe(conv)
	case opUnsubscribe:
		c.unsubscribe(conv)
	case opPace:
		c.setPace(o.n, o.pause)
	case opStall:
		c.stall(o.pause)
	case opMark:
		c.mark()
	case opGap:
		m.gap(false)
	case opRestore:
		m.restore()
	case opRestart:
		m.restart(t, o.n)
	case opFlood:
		m.flood(o.n)
	}
}

// id is a new message's: no two have the same, also of two histories.
func (m *model) id(conv string) string {
	return fmt.Sprintf("%s-%d.%d", conv, m.epoch, m.commit)
}

var kinds = map[history.Kind]contract.Kind{
	history.Message: contract.Message, history.Conversation: contract.Conversation, history.MessageStatus: contract.MessageStatus,
}

// payload is what an event of the model says.
type payload struct {
	Message      string `json:"id"`
	Workspace    string `json:"workspaceId"`
	Conversation string `json:"conversationId"`
	Status       string `json:"status"`
	Fill         string `json:"fill,omitempty"`
}

func (m *model) publish(ws string, kind history.Kind, conv, message, status string, size int) {
	now := time.Now()
	at := source.Position{Commit: m.commit, Index: uint32(1 + m.epoch)} // no two histories share one
	ev := history.Event{
		Position: at, Kind: kind, Workspace: ws, Conversation: conv, Message: message, Status: status, At: now,
	}
	m.commits(&ev, size)
	if kind == history.MessageStatus && m.commit%2 == 0 {
		m.again(ev)
	}
	m.truthMu.Lock()
	m.published = len(m.truth.Events)
	m.truthMu.Unlock()
}

// commits adds an event to the truth, and sends it.
func (m *model) commits(ev *history.Event, size int) {
	m.truthMu.Lock()
	m.truth.Events = append(m.truth.Events, *ev)
	m.truthMu.Unlock()
	m.send(ev, size)
}

// again sends a status once more, under the message's other id.
func (m *model) again(ev history.Event) {
	ev.Position.Index += underOther
	ev.Optional = true // each client knows it by one of them
	m.commits(&ev, 0)
}

// underOther is what the Index of a status under the other id has more.
const underOther = 1 << 16

func (m *model) send(ev *history.Event, size int) {
	id, of := ev.Message, ""
	if ev.Position.Index >= underOther {
		id, of = otherPrefix+ev.Message, ev.Message
	}
	body, _ := json.Marshal(payload{id, ev.Workspace, ev.Conversation, ev.Status, strings.Repeat("x", size)})
	offset := append(hub.AppendOffset([]byte{'"'}, hub.Offset{Position: ev.Position, Commit: ev.At}), '"')
	var other []byte
	if ev.Kind == history.Message && hasOther(ev) {
		other = []byte(otherPrefix + ev.Message)
	}
	m.hub.Publish(&hub.Event{
		Other: other, Commit: ev.At,
		Position: ev.Position, Kind: kinds[ev.Kind], Workspace: []byte(ev.Workspace), Conversation: []byte(ev.Conversation),
		Message: []byte(id), Of: []byte(of), Packet: socketio.NewEvent("/", string(ev.Kind), body, offset),
	}, time.Now())
}

// Of three messages, two have another id.
const otherPrefix = "other-"

func hasOther(ev *history.Event) bool { return ev.Position.Commit%3 > 0 }

// epoch is that of an event, see publish.
func epoch(ev *history.Event) int { return int(ev.Position.Index%underOther) - 1 }

// gap is what a source reports.
func (m *model) gap(reload bool) {
	m.lost = true
	now := time.Now()
	if reload {
		m.hub.Restart(now.Add(-time.Second), now, now)
	} else {
		m.hub.Gap(now.Add(-time.Second), now, false)
	}
}

// restore begins another history, with lower positions.
func (m *model) restore() {
	m.gap(true)
	m.commit = m.commit/2 + 1
	m.epoch++
	for _, c := range m.clients {
		c.forget() // what it says it received is of the old one
	}
}

// restart is another process, which fills its log from the database's, but for the last
// events: they come with what is done next but connecting and subscribing. After an odd number
// of them, who was connected comes back at once.
func (m *model) restart(t *testing.T, behind int) {
	if m.epoch > 0 {
		return // which events outlived the restore is not part of the model
	}
	var connected []*modelClient
	for _, c := range m.clients {
		if c.socket != nil {
			connected = append(connected, c)
		}
		c.cut()
		c.prior = nil
	}
	m.stop()
	m.start(t)
	since := time.Now().Add(-modelWindow)
	var all []history.Event
	for _, ev := range m.truth.Events {
		if !ev.At.Before(since) {
			all = append(all, ev)
		}
	}
	if m.p.tables == nil { // which are not ahead of the log in this model
		behind = min(behind, len(all))
		all, m.late = all[:len(all)-behind], all[len(all)-behind:]
	}
	for i := range all {
		m.send(&all[i], 0)
	}
	m.lost = true // what was before the window is not known to the new one
	if behind%2 == 1 {
		for _, c := range connected {
			c.connect()
		}
	}
}

// catchUp reads what a process has yet to read.
func (m *model) catchUp() {
	for i := range m.late {
		m.send(&m.late[i], 0)
	}
	m.late = nil
}

// finish lets every client come back and read all there is, and judges.
func (m *model) finish() string {
	m.catchUp()
	for _, c := range m.clients {
		c.setPace(100, 0)
		if c.socket == nil {
			c.connect()
		}
	}
	time.Sleep(20 * time.Second)
	synctest.Wait()
	bounds := history.Bounds{
		Window: modelWindow, Prompt: 10 * time.Minute, Grace: m.p.grace, CatchUp: time.Hour, Slack: time.Millisecond,
	}
	if m.p.tables != nil {
		bounds.Repeats = maxHealings // what is in the tables may be in the log too
	}
	judge := history.NewJudge(&m.truth, bounds)
	var wrong strings.Builder
	for _, c := range m.clients {
		c.h.End, c.h.Drained = time.Now(), true
		var found []history.Violation
		for _, v := range judge.All(&c.h) {
			switch {
			case v.Validator == "Prompt": // a client that stalls is not prompt
			case v.Validator == "Ordered" && m.p.tables != nil && c.restored() && !strings.Contains(v.String(), " came first after "):
				// A restored session gets all states after its offset, also those that
				// are older than what it had of the tables. The newest comes last.
			default:
				found = append(found, v)
			}
		}
		wrong.WriteString(history.Report(found, 5))
		wrong.WriteString(c.missed())
		wrong.WriteString(c.misnamed())
		if *verbose && wrong.Len() > 0 {
			wrong.WriteString(c.dump())
		}
		if !m.lost && c.gaps > 0 && c.cuts == 0 {
			fmt.Fprintf(&wrong, "%s was told of %d gaps, and nothing was lost\n", c.h.Client, c.gaps)
		}
		if c.marked != c.marks {
			fmt.Fprintf(&wrong, "%s got %d of %d marks\n", c.h.Client, c.marked, c.marks)
		}
	}
	if s := m.hub.Stats(); s.Catching != 0 || s.Clients != len(m.clients) {
		fmt.Fprintf(&wrong, "at rest, %d of %d clients are being caught up\n", s.Catching, s.Clients)
	}
	return wrong.String()
}

// TestModel runs programs, some of them at once. A failure prints the shortest
// program that still fails.
func TestModel(t *testing.T) {
	const parts = 4
	for part := range uint64(parts) {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			t.Parallel()
			for i := part; i < uint64(*seeds); i += parts {
				seed := *first + i
				p := generate(seed)
				if wrong := run(t, p); wrong != "" {
					if *shorten {
						p, wrong = shrink(t, p, wrong)
					}
					t.Fatalf("seed %d:\n%s%s", seed, wrong, p)
				}
			}
		})
	}
}

// TestModelAgain runs programs that failed once, in one of several runs.
func TestModelAgain(t *testing.T) {
	for _, seed := range []uint64{1986, 2858, 3813, 9424, 10227, 12206, 3607, 3156, 16618, 18407, 23188} {
		for range max(defaultSeeds/200, 1) {
			if wrong := run(t, generate(seed)); wrong != "" {
				t.Fatalf("seed %d:\n%s", seed, wrong)
			}
		}
	}
}

func (p program) String() string {
	var b strings.Builder
	if p.tables != nil {
		fmt.Fprintf(&b, "tables: %d rows, take %v, fail %v, far %v\n", p.tables.rows, p.tables.takes, p.tables.fails != nil, p.far)
	}
	fmt.Fprintf(&b, "log %d events, summed up %v, queue %d packets %d bytes, %d clients\n", p.replay.MaxEvents, p.sumUp, p.maxPackets, p.maxBytes, p.clients)
	for _, o := range p.ops {
		fmt.Fprintf(&b, "  %v\n", o)
	}
	return b.String()
}

// shrink takes steps out for as long as the program goes on failing. A
// goroutine's turn is not part of a program, so each is tried a few times.
func shrink(t *testing.T, p program, wrong string) (program, string) {
	fails := func(p program) string {
		for range 3 {
			if w := run(t, p); w != "" {
				return w
			}
		}
		return ""
	}
	for size := len(p.ops) / 2; size > 0; size /= 2 {
		for i := 0; i+size <= len(p.ops); {
			q := p
			q.ops = slices.Delete(slices.Clone(p.ops), i, i+size)
			if w := fails(q); w != "" {
				p, wrong = q, w
			} else {
				i += size
			}
		}
	}
	return p, wrong
}
