package clienttest_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"chatbridge/internal/chromium"
	"chatbridge/internal/npm"
)

const packages = "testdata/npm"

// kind is a client to test with.
type kind struct {
	name     string
	recovers bool // knows connection-state recovery, since 4.6
	browser  bool
}

var kinds = []kind{
	{name: "client-4.0"},
	{name: "client-4.4"},
	{name: "client-4.6", recovers: true},
	{name: "client-4.8", recovers: true},
	{name: "chromium", recovers: true, browser: true},
}

// eachKind runs a test with every client, at the same time.
func eachKind(t *testing.T, test func(t *testing.T, k kind)) {
	t.Helper()
	npm.Install(t, packages)
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			if k.browser {
				chromium.Need(t)
			}
			test(t, k)
		})
	}
}

// client is one real client, steered from the test. It belongs to the test's
// goroutine.
type client struct {
	t *testing.T
	driver
}

// driver runs testdata/npm/driver.mjs: Node.js or a tab of the browser.
type driver interface {
	// Tell sends a command, a line of JSON.
	Tell(command any)
	// NextLine waits for the next report, a line of JSON.
	NextLine() json.RawMessage
}

// report is a line of testdata/npm/driver.mjs.
type report struct {
	Event     string
	ID        string
	Recovered bool
	Transport string
	Reason    string
	Active    bool
	Message   string
	Data      json.RawMessage
	Name      string
	Args      []json.RawMessage
	Acked     bool
	Tag       string
	Attempt   int
	Connected bool
}

// start runs a client that is not connected yet.
func (k kind) start(t *testing.T) *client {
	t.Helper()
	if !k.browser {
		return &client{t, npm.Node(t, packages+"/node.mjs", k.name)}
	}
	return &client{t, openTab(t)}
}

// options are those of io(url, options).
type options map[string]any

// crm are the options that the CRM connects with, plus more.
func crm(token string, more options) options {
	o := options{
		"path":                 "/api/ws",
		"auth":                 map[string]any{"token": token},
		"transports":           []string{"websocket", "polling"},
		"reconnection":         true,
		"reconnectionDelay":    1000,
		"reconnectionAttempts": 5,
	}
	for k, v := range more {
		o[k] = v
	}
	return o
}

func (c *client) connect(url string, o options) {
	c.t.Helper()
	c.Tell(map[string]any{"do": "connect", "url": url, "options": o})
}

// connected connects and waits for it.
func (c *client) connected(url string, o options) report {
	c.t.Helper()
	c.connect(url, o)
	return c.await("connect")
}

// emit sends an event; with a tag, acked waits for its acknowledgement.
func (c *client) emit(tag, name string, args ...any) {
	c.t.Helper()
	command := map[string]any{"do": "emit", "name": name, "args": args}
	if tag != "" {
		command["tag"] = tag
	}
	c.Tell(command)
}

func (c *client) do(command string) {
	c.t.Helper()
	c.Tell(map[string]any{"do": command})
}

// await is the next report of a kind; those of other kinds are passed over,
// but a received event or an error never is.
func (c *client) await(event string) (r report) {
	c.t.Helper()
	for {
		r = c.next()
		if r.Event == event {
			return r
		}
		if r.Event == "received" || r.Event == "error" {
			c.t.Fatalf("while waiting for %q: %+v", event, r)
		}
	}
}

// received is the next event from the server, which must have that name and
// those arguments. Reports of the transport are passed over.
func (c *client) received(name string, args ...any) report {
	c.t.Helper()
	for {
		r := c.next()
		switch r.Event {
		case "upgrade", "reconnect_attempt":
			continue
		case "received":
			if want := mustJSON(c.t, args); r.Name != name || mustJSON(c.t, r.Args) != want {
				c.t.Fatalf("received %s %s, want %s %s", r.Name, r.Args, name, want)
			}
			return r
		}
		c.t.Fatalf("while waiting for %s: %+v", name, r)
	}
}

// acked waits for the acknowledgement of the event with that tag.
func (c *client) acked(tag string, args ...any) {
	c.t.Helper()
	r := c.await("acked")
	if want := mustJSON(c.t, args); r.Tag != tag || mustJSON(c.t, r.Args) != want {
		c.t.Fatalf("acknowledgement of %s: %s, want %s: %s", r.Tag, r.Args, tag, want)
	}
}

func (c *client) next() (r report) {
	c.t.Helper()
	line := c.NextLine()
	if err := json.Unmarshal(line, &r); err != nil {
		c.t.Fatalf("decode %s: %v", line, err)
	}
	return r
}

func mustJSON[T any](t *testing.T, v []T) string {
	t.Helper()
	if len(v) == 0 {
		return "[]"
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// bin is a binary value as driver.mjs writes it.
func bin(b ...byte) map[string]string { return map[string]string{"$bin": fmt.Sprintf("%x", b)} }
