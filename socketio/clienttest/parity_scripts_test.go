package clienttest_test

import (
	"strings"
	"time"
)

// script is what a client does.
type script struct {
	name    string
	profile int
	needs   []ability
	core    bool // also for the kinds that are played in short
	play    func(p *player)
}

// odd is what JSON, JavaScript, Python and HTML disagree on.
var odd = map[string]any{
	"text": "<b>&\"\\/ \u2028\u2029 \u0000\u0007\u007f é e\u0301 😀 👨‍👩‍👧 \ufeff\ufffd שלום", "é😀": "key", "": "empty key",
	"n": []any{0, -1, 1.5, 1e21, 1e-7, 9007199254740991, 0.1}, "list": []any{nil, true, false, "", []any{}, map[string]any{}},
	"__proto__x": 1, "_placeholder": false, "nested": nest(40),
}

func nest(n int) any {
	if n == 0 {
		return "bottom"
	}
	return []any{nest(n - 1)}
}

// Whether the kinds that are played in short follow a script.
const (
	core = true
	rest = false
)

func transportOf(names ...string) options { return options{"transports": names} }

var scripts = []script{
	{"good token", plain, nil, core, func(p *player) {
		p.connect("good", options{"query": map[string]string{"x": "1"}, "extraHeaders": map[string]string{"x-test": "y"}})
		p.joined()
		p.emit("1", "who")
		p.await("acked")
		p.do("disconnect")
		p.await("disconnect")
	}},
	{"bad token", plain, nil, core, func(p *player) {
		p.connect("bad", nil)
		p.refused()
	}},
	{"no token", plain, nil, rest, func(p *player) {
		p.connect(nil, nil)
		p.refused()
	}},
	{"bad token by polling", plain, []ability{polls}, rest, func(p *player) {
		p.connect("bad", transportOf("polling"))
		p.refused()
	}},
	{"bad token, then a good one", plain, []ability{isNPM}, rest, func(p *player) {
		p.connect("bad", nil)
		p.await("connect_error")
		p.tell("", map[string]any{"do": "login", "token": "good"})
		p.received(1)
		p.emit("1", "who")
		p.await("acked")
	}},
	{"token to be judged later", plain, []ability{isNPM}, rest, func(p *player) {
		p.connect("later", nil)
		p.await("reconnect_attempt")
		p.await("reconnect_attempt")
	}},
	{"WebSocket protocols", plain, []ability{isNPM}, rest, func(p *player) {
		p.connect("good", options{"protocols": []string{"chat", "other"}, "reconnection": false})
		p.awaitAny("received", "connect_error")
	}},
	{"unknown namespace", plain, nil, core, func(p *player) {
		p.connectTo("", "/unknown", "good", nil)
		p.refused()
	}},
	{"other namespace", plain, nil, rest, func(p *player) {
		p.connectTo("", "/custom", "good", nil)
		p.received(1)
		p.emit("1", "echo", "x")
		p.await("acked")
		p.emit("", "kick")
		p.await("disconnect")
	}},
	{"other namespace, bad token", plain, nil, rest, func(p *player) {
		p.connectTo("", "/custom", "bad", nil)
		p.refused()
	}},
	{"two namespaces on a connection", plain, []ability{isNPM}, core, func(p *player) {
		shared := options{"forceNew": false}
		p.connect("good", shared)
		p.joined()
		p.connectTo("custom", "/custom", "good", shared)
		p.awaitFrom("custom", "received")
		p.connectTo("unknown", "/unknown", "good", shared)
		p.awaitFrom("unknown", "connect_error")
		p.tell("custom", map[string]any{"do": "emit", "name": "kick", "args": []any{}})
		p.awaitFrom("custom", "disconnect")
		p.emit("1", "echo", "still here")
		p.await("acked")
		p.do("disconnect")
		p.await("disconnect")
	}},
	{"events", plain, nil, core, func(p *player) {
		p.connect("good", nil)
		p.joined()
		p.converse()
	}},
	{"events by polling", plain, []ability{polls}, core, func(p *player) {
		p.connect("good", transportOf("polling"))
		p.joined()
		p.converse()
		p.do("state")
		p.await("state")
	}},
	{"events while upgrading", plain, []ability{polls}, core, func(p *player) {
		p.connect("good", transportOf("polling", "websocket"))
		p.joined()
		p.trace = nil // on which transport it connects is a matter of time
		p.converse()
	}},
	{"upgrade", plain, []ability{isNPM}, core, func(p *player) {
		p.connect("good", transportOf("polling", "websocket"))
		p.await("upgrade")
		p.trace = nil // as before; also whether the first event has come
		p.emit("1", "echo", "after the upgrade")
		p.await("acked")
		p.trace = p.trace[len(p.trace)-min(1, len(p.trace)):]
		p.do("state")
		p.await("state")
	}},
	{"upgrade of python-socketio", plain, []ability{polls}, rest, func(p *player) {
		p.connect("good", transportOf("polling", "websocket"))
		p.joined()
		p.emit("1", "echo", 1)
		p.await("acked")
		p.trace = nil
		p.do("state")
		p.await("state")
	}},
	{"binary", plain, []ability{sendsBinary}, core, func(p *player) {
		p.connect("good", nil)
		p.joined()
		p.binary()
	}},
	{"binary by polling", plain, []ability{sendsBinary, polls}, rest, func(p *player) {
		p.connect("good", transportOf("polling"))
		p.joined()
		p.binary()
	}},
	{"too many binary arguments", plain, []ability{sendsBinary}, rest, func(p *player) {
		p.connect("good", options{"reconnection": false})
		p.joined()
		args := make([]any, 11)
		for i := range args {
			args[i] = bin(byte(i))
		}
		p.emit("", "eleven", args...)
		p.await("disconnect")
	}},
	{"large", plain, nil, rest, func(p *player) {
		p.connect("good", nil)
		p.joined()
		p.large()
	}},
	{"large by polling", plain, []ability{polls}, rest, func(p *player) {
		p.connect("good", transportOf("polling"))
		p.joined()
		p.large()
	}},
	{"too large", plain, nil, core, func(p *player) {
		p.connect("good", nil)
		p.joined()
		p.emit("", "too large", strings.Repeat("x", 200_001))
		p.await("disconnect")
		p.joined()
	}},
	{"too large by polling", plain, []ability{polls, tellsErrors}, rest, func(p *player) {
		p.connect("good", transportOf("polling"))
		p.joined()
		p.emit("", "too large", strings.Repeat("x", 200_001))
		p.await("disconnect")
		p.joined()
	}},
	{"acknowledgements", plain, nil, rest, func(p *player) {
		p.connect("good", nil)
		p.joined()
		for _, tag := range []string{"a", "b", "c", "d"} {
			p.emit(tag, "echo", tag)
		}
		for range 4 {
			p.await("acked")
		}
		p.emit("none", "echo")
		p.await("acked")
		p.emit("many", "echo", 1, 2, nil, []any{}, map[string]any{})
		p.await("acked")
		p.emit("twice", "ack twice")
		p.await("acked")
		p.emit("after", "echo", "end")
		p.await("acked")
	}},
	{"names", plain, nil, rest, func(p *player) {
		p.connect("good", nil)
		p.joined()
		for _, name := range []string{"message", "error", "ping", "pong", "close", "open", "é 😀", `"quoted"\`, "a,b", "1", "constructor"} {
			p.emit("", name, "x")
			p.received(1)
		}
	}},
	{"rooms", plain, nil, rest, func(p *player) {
		p.connect("good", nil)
		p.joined()
		room := p.room()
		p.emit("1", "join", room)
		p.await("acked")
		p.emit("", "broadcast", room, "in", odd)
		p.received(1)
		p.emit("2", "leave", room)
		p.await("acked")
		p.emit("", "broadcast", room, "not to be seen")
		p.emit("3", "echo", "end")
		p.await("acked")
	}},
	{"order", plain, []ability{keepsOrder}, rest, func(p *player) {
		p.connect("good", nil)
		p.joined()
		p.emit("", "count", 300)
		p.emit("1", "echo", "end")
		p.await("acked")
	}},
	{"order by polling", plain, []ability{polls, longPolls}, rest, func(p *player) {
		p.connect("good", transportOf("polling"))
		p.joined()
		p.emit("", "count", 300)
		p.emit("1", "echo", "end")
		p.await("acked")
	}},
	{"emitted before it is connected", plain, []ability{isNPM}, rest, func(p *player) {
		p.connect("good", nil)
		p.emit("", "early", 1)
		p.emit("1", "echo", 2)
		p.await("acked")
	}},
	{"disconnected by the server", plain, nil, core, func(p *player) {
		p.connect("good", nil)
		p.joined()
		p.emit("", "kick")
		p.await("disconnect")
	}},
	{"disconnected by the server, polling", plain, []ability{polls}, rest, func(p *player) {
		p.connect("good", transportOf("polling"))
		p.joined()
		p.emit("", "kick")
		p.await("disconnect")
	}},
	{"disconnected and closed by the server", plain, nil, rest, func(p *player) {
		p.connect("good", nil)
		p.joined()
		p.emit("", "kick and close")
		p.await("disconnect")
	}},
	{"disconnected by the server, comes back", plain, []ability{isNPM}, rest, func(p *player) {
		p.connect("good", nil)
		p.joined()
		p.emit("", "kick")
		p.await("closed")
		p.tell("", map[string]any{"do": "login", "token": "good"})
		p.received(1)
		p.emit("1", "echo", "back")
		p.await("acked")
	}},
	{"connection closed by the server", plain, nil, core, func(p *player) {
		p.connect("good", nil)
		p.joined()
		p.emit("", "drop", p.room())
		p.await("disconnect")
		p.joined()
	}},
	{"connection closed by the server, polling", plain, []ability{polls, returnsByPoll}, rest, func(p *player) {
		p.connect("good", transportOf("polling"))
		p.joined()
		p.emit("", "drop", p.room())
		p.await("disconnect")
		p.joined()
	}},
	{"recovery", recovers, nil, rest, func(p *player) {
		p.connect("good", options{"reconnectionDelay": 300})
		p.joined()
		p.emit("", "drop", p.room())
		p.await("disconnect")
		for p.await("received").Name == "missed" { // up to hello
			continue
		}
		p.emit("1", "echo", "end")
		p.await("acked")
	}},
	{"recovery by polling", recovers, []ability{polls, returnsByPoll}, rest, func(p *player) {
		p.connect("good", options{"reconnectionDelay": 300, "transports": []string{"polling"}})
		p.joined()
		p.emit("", "drop", p.room())
		p.await("disconnect")
		for p.await("received").Name == "missed" {
			continue
		}
		p.emit("1", "echo", "end")
		p.await("acked")
	}},
	{"no recovery after the client left", recovers, []ability{isNPM}, rest, func(p *player) {
		p.connect("good", nil)
		p.joined()
		p.do("disconnect")
		p.await("closed")
		p.tell("", map[string]any{"do": "login", "token": "good"})
		p.received(1)
	}},
	{"no recovery after the server disconnected", recovers, []ability{isNPM}, rest, func(p *player) {
		p.connect("good", nil)
		p.joined()
		p.emit("", "kick")
		p.await("closed")
		p.tell("", map[string]any{"do": "login", "token": "good"})
		p.received(1)
	}},
	{"pings answered", impatient, nil, core, func(p *player) {
		p.connect("good", nil)
		p.joined()
		time.Sleep(impatientPings + 400*time.Millisecond)
		p.emit("1", "echo", "alive")
		p.await("acked")
	}},
	{"pings", pings, []ability{tellsPings}, rest, func(p *player) {
		p.connect("good", nil)
		p.joined()
		for range 3 {
			p.await("ping")
		}
		p.emit("1", "echo", "alive")
		p.await("acked")
	}},
	{"pings by polling", pings, []ability{tellsPings}, rest, func(p *player) {
		p.connect("good", transportOf("polling"))
		p.joined()
		for range 3 {
			p.await("ping")
		}
		p.emit("1", "echo", "alive")
		p.await("acked")
	}},
}

// refused waits for the refusal, and for what the client's library makes of it.
func (p *player) refused() {
	p.await("connect_error")
}

// converse exchanges events.
func (p *player) converse() {
	p.emit("1", "echo", odd, "second", 3)
	p.await("acked")
	p.emit("", "odd", odd)
	p.received(1)
	p.emit("", "no arguments")
	p.received(1)
	p.emit("", "null", nil, nil)
	p.received(1)
	many := make([]any, 100)
	for i := range many {
		many[i] = i
	}
	p.emit("", "many arguments", many...)
	p.received(1)
}

// binary exchanges binary values.
func (p *player) binary() {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	args := []any{bin(1, 2, 3), "text", map[string]any{"deep": []any{bin(), bin(0xff)}, "_placeholder": "a string"}, bin(all...)}
	p.emit("1", "echo", args...)
	p.await("acked")
	p.emit("", "binary", args...)
	p.received(1)
	p.emit("", "empty", bin())
	p.received(1)
	big := make([]byte, 50_000)
	p.emit("2", "echo", bin(big...), bin(big...))
	p.await("acked")
	p.emit("3", "echo", "no binary after it")
	p.await("acked")
}

// large exchanges what takes more than one read.
func (p *player) large() {
	p.emit("1", "echo", strings.Repeat("é😀", 10_000)) // 180,000 bytes where they are escaped
	p.await("acked")
	p.emit("", "large", 150_000) // 300,000 bytes
	p.received(1)
	p.emit("2", "echo", "end")
	p.await("acked")
}
