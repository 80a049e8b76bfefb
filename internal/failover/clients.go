package failover

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"chatbridge/internal/npm"

	"github.com/jackc/pgx/v5"
)

// Client is one client of the CRM: a signed-in user with open conversations.
type Client struct {
	Token       string   `json:"token"`
	WorkspaceID string   `json:"workspaceId"`
	Subscribe   []string `json:"subscribe"`
}

// ClientsOptions say what clients to start.
type ClientsOptions struct {
	// URL is where they connect, Path the Socket.IO path (empty: /api/ws).
	URL, Path string
	Clients   []Client
	// Transports are the client's; nil: the CRM's, websocket and polling.
	Transports []string
	// Processes is how many Node processes share the clients; zero: one.
	Processes int
}

// Summary is the clients' counters, added up over all of them.
type Summary struct {
	Connected  int      `json:"connected"`
	Known      []int    `json:"known"`      // messages that each client shows
	Events     int      `json:"events"`     // message, conversation and messageStatus
	Messages   int      `json:"messages"`   // new ones
	Duplicates int      `json:"duplicates"` // messages dropped as known
	Foreign    int      `json:"foreign"`    // of another workspace: must not be
	Connects   int      `json:"connects"`
	Disconnect int      `json:"disconnects"`
	Errors     int      `json:"errors"`   // failed attempts to connect
	Delays     []int    `json:"delays"`   // ms from a message's creation to its arrival, one for each
	ToReload   int      `json:"toReload"` // clients whose page was told to load everything again, and has not
	Failures   []string `json:"failures"` // what stopped a client for good
}

// Digest is what one client shows.
type Digest struct {
	Client        int                 `json:"client"`
	Conversations map[string][]string `json:"conversations"` // messages' names, newest first
	Statuses      map[string]string   `json:"statuses"`      // by message
	List          map[string]string   `json:"list"`          // last message, by conversation
	// Arrivals says when and how each message came, Log how the connection ended:
	// for the log of a failed comparison.
	Arrivals map[string]string `json:"arrivals"`
	Log      []string          `json:"log"`
}

// Clients are running clients.
type Clients struct {
	t     testing.TB
	procs []*npm.TestProcess
	each  []Client // in the order of digests
	// without is a conversation that is not in the histories, empty for none.
	without string
}

// Dir is the folder of the Node script and its packages.
func Dir() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "testdata", "crm")
}

// StartClients installs the packages, starts the clients and returns when all
// are connected and subscribed. They end with the test.
func StartClients(t testing.TB, o ClientsOptions) *Clients {
	t.Helper()
	npm.Install(t, Dir())
	c := &Clients{t: t}
	n := max(o.Processes, 1)
	for i := range n {
		share := o.Clients[len(o.Clients)*i/n : len(o.Clients)*(i+1)/n]
		settings, err := json.Marshal(map[string]any{
			"url": o.URL, "path": o.Path, "clients": share, "transports": o.Transports,
		})
		if err != nil {
			t.Fatal(err)
		}
		args := []string{string(settings)}
		c.procs = append(c.procs, npm.Node(t, filepath.Join(Dir(), "clients.mjs"), args...))
		c.each = append(c.each, share...)
	}
	for _, p := range c.procs {
		p.Await("ready", nil)
	}
	return c
}

// ask sends a command to every process and takes each one's answer.
func (c *Clients) ask(command map[string]any, take func(process int, answer json.RawMessage)) {
	c.t.Helper()
	name := command["event"].(string)
	for _, p := range c.procs {
		p.Tell(command)
	}
	for i, p := range c.procs {
		var answer json.RawMessage
		p.Await(name, &answer)
		if take != nil {
			take(i, answer)
		}
	}
}

// Summary returns the counters, added up.
func (c *Clients) Summary() Summary {
	c.t.Helper()
	var sum Summary
	c.ask(map[string]any{"event": "summary"}, func(_ int, answer json.RawMessage) {
		var s Summary
		if err := json.Unmarshal(answer, &s); err != nil {
			c.t.Fatal(err)
		}
		sum.add(s)
	})
	return sum
}

func (s *Summary) add(o Summary) {
	s.Connected += o.Connected
	s.Known = append(s.Known, o.Known...)
	s.Events += o.Events
	s.Messages += o.Messages
	s.Duplicates += o.Duplicates
	s.Foreign += o.Foreign
	s.Connects += o.Connects
	s.Disconnect += o.Disconnect
	s.Errors += o.Errors
	s.ToReload += o.ToReload
	s.Delays = append(s.Delays, o.Delays...)
	s.Failures = append(s.Failures, o.Failures...)
}

// Digests returns what each client shows.
func (c *Clients) Digests() []Digest {
	c.t.Helper()
	var all []Digest
	c.ask(map[string]any{"event": "digest"}, func(_ int, answer json.RawMessage) {
		var d struct{ Clients []Digest }
		if err := json.Unmarshal(answer, &d); err != nil {
			c.t.Fatal(err)
		}
		all = append(all, d.Clients...)
	})
	return all
}

// Send has a client show a message of its own and send it by its socket. WhatsApp
// and the database then know it by its name, which is returned.
func (c *Clients) Send(client int, conversation Conversation, round string, n int) string {
	c.t.Helper()
	process, place := c.at(client)
	name := messageName(round, conversation, n)
	c.procs[process].Tell(map[string]any{"event": "send", "client": place, "message": map[string]any{
		"type": "sendMessage", "conversationId": conversation.ID, "content": "a message of my own", "timestamp": time.Now().UnixMilli(),
		"messageId": "opt_" + name, "externalId": name, "rowId": rowID(name),
	}})
	c.procs[process].Await("send", nil)
	return name
}

// Subscribe has the first n clients of a workspace open one more conversation, now and
// from now on.
func (c *Clients) Subscribe(conversation, workspace string, n int) {
	c.t.Helper()
	for i := range c.each {
		if n == 0 {
			return
		}
		if c.each[i].WorkspaceID != workspace {
			continue
		}
		n--
		c.each[i].Subscribe = append(slices.Clone(c.each[i].Subscribe), conversation)
		process, place := c.at(i)
		c.procs[process].Tell(map[string]any{"event": "open", "client": place, "conversation": conversation})
		c.procs[process].Await("open", nil)
	}
}

// Forget resets every client as a page load does, at url where it is not empty:
// no messages, connected and subscribed anew.
func (c *Clients) Forget(url string) {
	c.t.Helper()
	if url != "" {
		c.ask(map[string]any{"event": "retarget", "url": url}, nil)
	}
	c.ask(map[string]any{"event": "forget"}, nil)
}

// Reload resets every client as a page load does that finds the messages of
// its conversations in the CRM's tables.
func (c *Clients) Reload(database string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close(ctx)
	found, err := conn.Query(ctx, `select conversation_id::text, id::text, external_id, status from messages order by created_at`)
	if err != nil {
		c.t.Fatal(err)
	}
	rows, err := pgx.CollectRows(found, func(row pgx.CollectableRow) (line [4]string, err error) {
		return line, row.Scan(&line[0], &line[1], &line[2], &line[3])
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.ask(map[string]any{"event": "forget", "rows": rows}, nil)
}

// Delay returns a quantile of the times from a message's creation to its arrival:
// 0.5 is the median, 1 the worst.
func (s Summary) Delay(part float64) time.Duration {
	if len(s.Delays) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s.Delays))
	return time.Duration(sorted[int(part*float64(len(sorted)-1))]) * time.Millisecond
}

// String is for logs.
func (s Summary) String() string {
	return fmt.Sprintf("%d connected, %d events, %d messages (delay p50 %v, p99 %v, worst %v), %d duplicates, %d connects, %d failed attempts",
		s.Connected, s.Events, s.Messages, s.Delay(0.5), s.Delay(0.99), s.Delay(1), s.Duplicates, s.Connects, s.Errors)
}
