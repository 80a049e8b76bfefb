package clienttest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chatbridge/internal/npm"
)

// TestParity has each kind of client follow each script against our server and
// against npm's, configured alike: it must see the same, in the same order. With
// PARITY=full in the environment all versions of npm's client follow all scripts.
func TestParity(t *testing.T) {
	npm.Install(t, packages)
	sides := startSides(t)
	for _, k := range parityKinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			group := k.start(t)
			traces := group.playAll(k, sides)
			for i, s := range scripts {
				if !k.plays(s) {
					continue
				}
				t.Run(s.name, func(t *testing.T) { compare(t, k, s.name, traces[i]) })
			}
		})
	}
}

// compare fails where a client saw different things of the two servers, unless the
// difference is known.
func compare(t *testing.T, k parityKind, script string, traces [2][]string) {
	t.Helper()
	if testing.Verbose() {
		t.Logf("npm's server:\n  %s", strings.Join(traces[1], "\n  "))
	}
	diff := cmp.Diff(traces[1], traces[0])
	d, known := knownDifference(k, script)
	switch {
	case diff == "" && known && !d.sometimes:
		t.Errorf("no difference any more: remove it from the list (%s)", d.why)
	case diff == "" || known && d.right:
	case known:
		t.Skipf("known fault: %s; (-npm's server +ours):\n%s", d.why, diff)
	default:
		t.Errorf("(-npm's server +ours):\n%s", diff)
	}
}

// parityKind is a kind of client.
type parityKind struct {
	name  string
	start func(t *testing.T) *group
	// lacks are the abilities that it does not have.
	lacks []ability
	// short: it follows the core of the scripts only, unless PARITY=full.
	short bool
}

// ability is what a script asks of a client.
type ability string

const (
	polls           ability = "polls"              // has the polling transport, and upgrades
	returnsByPoll   ability = "returns by polling" // comes back after the server closed a polling session
	longPolls       ability = "long polls"         // takes more than 16 packets in one response
	tellsErrors     ability = "tells of errors"    // of a POST that the server refuses
	sendsBinary     ability = "sends binary"       //
	keepsOrder      ability = "keeps order"        // calls the application in the order of the packets
	tellsPings      ability = "tells of pings"     //
	isNPM           ability = "is npm's"           // logs in again, has several namespaces on a connection, …
	recoversSession ability = "recovers a session" //
)

// parityKinds are npm's client, the newest of each minor version; python-socketio,
// which is another reading of the protocol; and our own client in Go.
var parityKinds = func() []parityKind {
	python := []ability{isNPM, tellsPings, longPolls, tellsErrors, returnsByPoll, recoversSession}
	kinds := []parityKind{
		{name: "python", start: startPython("sync"), lacks: append(slices.Clip(python), keepsOrder)},
		{name: "python-asyncio", start: startPython("asyncio"), lacks: python},
		{name: "go", start: startGo, lacks: []ability{isNPM, polls, sendsBinary, tellsPings}},
	}
	for minor := range 9 {
		k := parityKind{name: fmt.Sprintf("client-4.%d", minor)}
		k.start = func(t *testing.T) *group {
			return newGroup(t, npm.Node(t, packages+"/parity.mjs", k.name).Process)
		}
		if minor == 0 {
			k.lacks = append(k.lacks, tellsPings)
		}
		if minor < 6 {
			k.lacks = append(k.lacks, recoversSession)
		}
		// Between the versions that brought something new.
		k.short = slices.Contains([]int{1, 2, 3, 4, 5, 7}, minor)
		kinds = append(kinds, k)
	}
	return kinds
}()

// full is set to play all scripts with all kinds.
var full = os.Getenv("PARITY") == "full"

// plays reports whether a kind of client follows a script.
func (k parityKind) plays(s script) bool {
	if k.short && !s.core && !full {
		return false
	}
	return !slices.ContainsFunc(s.needs, k.without)
}

// without reports whether the kind lacks an ability.
func (k parityKind) without(a ability) bool { return slices.Contains(k.lacks, a) }

// group is many clients of one kind, in one process. What they report is in lines
// with a member "client".
type group struct {
	send func(command any) error

	mu      sync.Mutex
	clients map[string]chan report
	// ended is closed when no report comes any more.
	ended chan struct{}
}

// newGroup steers the clients in a process.
func newGroup(t *testing.T, p *npm.Process) *group {
	g := &group{send: p.Send, clients: make(map[string]chan report), ended: make(chan struct{})}
	t.Cleanup(func() { p.Stop(); <-g.ended })
	go func() {
		defer close(g.ended)
		for {
			line, err := p.Next(context.Background())
			if err != nil {
				return
			}
			g.take(line)
		}
	}()
	return g
}

// take hands a report to the client that it is of.
func (g *group) take(line json.RawMessage) {
	var r struct {
		report
		Client string
	}
	if err := json.Unmarshal(line, &r); err != nil {
		r.Event, r.Message = "error", fmt.Sprintf("%v: %.200s", err, line)
	}
	select {
	case g.client(r.Client) <- r.report:
	case <-time.After(npm.AwaitTimeout): // nobody reads the reports of a script that has ended
	}
}

// client is where the reports of a client go.
func (g *group) client(name string) chan report {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.clients[name] == nil {
		g.clients[name] = make(chan report, 10_000)
	}
	return g.clients[name]
}

// atOnce bounds the scripts that a group plays at a time.
const atOnce = 6

// playAll plays all scripts against both sides, several at a time. The traces are by
// script and side.
func (g *group) playAll(k parityKind, sides [2]side) [][2][]string {
	traces := make([][2][]string, len(scripts))
	var all sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i, s := range scripts {
		if !k.plays(s) {
			continue
		}
		for j, side := range sides {
			slots <- struct{}{}
			all.Go(func() {
				defer func() { <-slots }()
				p := &player{group: g, name: s.name + " " + side.name, kind: k.name, url: side.urls[s.profile], offsets: s.profile == recovers}
				s.play(p)
				p.broken = false
				p.do("disconnect")
				if k.without(keepsOrder) {
					slices.Sort(p.trace)
				}
				traces[i][j] = p.trace
			})
		}
	}
	all.Wait()
	return traces
}

// player plays a script with one client, and writes down what that reports.
type player struct {
	group   *group
	name    string // of the client, in its group
	kind    string
	url     string
	offsets bool // events end with one

	trace  []string
	ids    []string
	broken bool // a report did not come: what follows is not played
}

// tell sends a command to a client; the script's own is "".
func (p *player) tell(client string, command map[string]any) {
	if p.broken {
		return
	}
	command["client"] = p.name + client
	if err := p.group.send(command); err != nil {
		p.note("cannot steer the client: %v", err)
		p.broken = true
	}
}

// connect connects with a token, nil for none, and further options.
func (p *player) connect(token any, more options) { p.connectTo("", "", token, more) }

// connectTo connects one of several clients, to a namespace.
func (p *player) connectTo(client, namespace string, token any, more options) {
	o := options{
		"path": "/api/ws", "transports": []string{"websocket"}, "forceNew": true, "reconnectionDelay": 100,
		"randomizationFactor": 0, "timeout": 20_000,
	}
	if token != nil {
		o["auth"] = map[string]any{"token": token}
	}
	for k, v := range more {
		o[k] = v
	}
	p.tell(client, map[string]any{"do": "connect", "url": p.url + namespace, "options": o})
}

// emit sends an event; one with a tag asks for an acknowledgement.
func (p *player) emit(tag, name string, args ...any) {
	command := map[string]any{"do": "emit", "name": name, "args": append([]any{}, args...)}
	if tag != "" {
		command["tag"] = tag
	}
	p.tell("", command)
}

func (p *player) do(command string) { p.tell("", map[string]any{"do": command}) }

// scriptTimeout is how long a report may take. Longer than anything of the scripts.
const scriptTimeout = 25 * time.Second

// await writes down the reports up to one of an event, and returns it.
func (p *player) await(event string) report { return p.awaitFrom("", event) }

// awaitAny is await for what comes first of several events.
func (p *player) awaitAny(events ...string) report { return p.awaitFrom("", events...) }

// awaitFrom is awaitAny for one of several clients.
func (p *player) awaitFrom(client string, events ...string) report {
	if p.broken {
		return report{}
	}
	timeout := time.After(scriptTimeout)
	for {
		select {
		case r := <-p.group.client(p.name + client):
			p.write(client, r)
			if slices.Contains(events, r.Event) {
				return r
			}
		case <-p.group.ended:
			p.note("the client's process has ended while %q was awaited", events)
			p.broken = true
			return report{}
		case <-timeout:
			p.note("no %q within %v", events, scriptTimeout)
			p.broken = true
			return report{}
		}
	}
}

// received awaits n events.
func (p *player) received(n int) {
	for range n {
		p.await("received")
	}
}

// room is a room of this player alone: the kinds share the servers, and the names of scripts.
func (p *player) room() string { return p.kind + ": " + p.name }

// joined awaits the connection and its first event, in any order: python-socketio
// calls the application in a thread for each packet.
func (p *player) joined() {
	for missing := []string{"connect", "received"}; len(missing) > 0 && !p.broken; {
		r := p.awaitAny(missing...)
		missing = slices.DeleteFunc(missing, func(e string) bool { return e == r.Event })
	}
}

func (p *player) note(format string, args ...any) {
	p.trace = append(p.trace, fmt.Sprintf(format, args...))
}

// write writes a report down, without what differs from run to run: ids are
// numbered in the order of their appearance. Upgrades, pings
// and the end of connections are left out: they are not in an order with the packets.
func (p *player) write(client string, r report) {
	switch r.Event {
	case "upgrade", "ping", "closed":
		return
	}
	line := r.Event
	if client != "" {
		line = client + ": " + line
	}
	if r.ID != "" {
		if !slices.Contains(p.ids, r.ID) {
			p.ids = append(p.ids, r.ID)
		}
		line += fmt.Sprintf(" id %d of %d characters", slices.Index(p.ids, r.ID)+1, len(r.ID))
	}
	args := r.Args
	if r.Event == "received" && p.offsets && len(args) > 0 {
		args = args[:len(args)-1]
	}
	r.ID, r.Event, r.Args = "", "", nil
	if rest := members(r); rest != "{}" {
		line += " " + rest
	}
	for _, a := range args {
		c := canonical(a)
		line += fmt.Sprintf(" %.300s", c)
		if len(c) > 300 {
			line += fmt.Sprintf("… (%d bytes)", len(c))
		}
	}
	p.trace = append(p.trace, strings.ReplaceAll(line, p.url, "<url>"))
}

// members are those of a report that say something.
func members(r report) string {
	b, _ := json.Marshal(r)
	var m map[string]any
	_ = json.Unmarshal(b, &m)
	for k, v := range m {
		if v == nil || v == "" || v == false || v == float64(0) {
			delete(m, k)
		}
	}
	b, _ = json.Marshal(m)
	return string(b)
}

// canonical is a JSON value with the members of objects in order.
func canonical(value json.RawMessage) string {
	var v any
	if err := json.Unmarshal(value, &v); err != nil {
		return string(value)
	}
	b, _ := json.Marshal(v)
	return string(b)
}
