package failover_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"chatbridge/internal/chatengine"
	"chatbridge/internal/failover"
	"chatbridge/internal/schemas"
	"chatbridge/internal/sioclient"
	"chatbridge/internal/throwaway/pgtest"
)

// ago is how long ago what a page missed happened: longer than a dead connection goes
// unnoticed.
const ago = 10 * time.Minute

// page is a client with one conversation, and what it was sent.
type page struct {
	t       *testing.T
	leave   func()
	changed chan struct{}

	mu       sync.Mutex
	pid      string
	messages map[string]bool // by their text
	gaps     []string
}

// open opens a page at the bridge that has a private id, "" for a new one.
func open(t *testing.T, url, pid string) *page {
	t.Helper()
	token, err := chatengine.Token(secret, ours, ana)
	if err != nil {
		t.Fatal(err)
	}
	auth := map[string]any{"token": token, "workspaceId": ours}
	if pid != "" {
		auth["pid"] = pid
	}
	p := &page{t: t, changed: make(chan struct{}, 1), messages: map[string]bool{}}
	connected := make(chan struct{}, 100)
	var c *sioclient.Client
	c, err = sioclient.New(sioclient.Options{
		URL: url, Auth: auth, Backoff: sioclient.Backoff{Delay: 10 * time.Millisecond, Most: 200 * time.Millisecond},
		OnConnect: func(s sioclient.Session) {
			p.mu.Lock()
			p.pid = s.PID
			p.mu.Unlock()
			_ = c.Emit("subscribe:conversation", first)
			connected <- struct{}{}
		},
		OnEvent: func(e sioclient.Event) {
			var of struct{ Content string }
			_ = json.Unmarshal(e.Args[0], &of)
			p.mu.Lock()
			switch e.Name {
			case "message":
				p.messages[of.Content] = true
			case "gap":
				p.gaps = append(p.gaps, string(e.Args[0]))
			}
			p.mu.Unlock()
			select {
			case p.changed <- struct{}{}:
			default:
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = c.Run(ctx) }()
	p.leave = func() { cancel(); <-done }
	t.Cleanup(p.leave)
	select {
	case <-connected:
	case <-time.After(time.Minute):
		t.Fatal("the page did not connect")
	}
	return p
}

// await waits for messages.
func (p *page) await(what string, texts ...string) {
	p.t.Helper()
	for timeout := time.After(time.Minute); ; {
		p.mu.Lock()
		n := slices.IndexFunc(texts, func(text string) bool { return !p.messages[text] })
		p.mu.Unlock()
		if n < 0 {
			return
		}
		select {
		case <-p.changed:
		case <-timeout:
			p.t.Fatalf("%s: the message %q did not come", what, texts[n])
		}
	}
}

// sinceThen makes a file of departures one of that long ago.
func sinceThen(t *testing.T, file string, ago time.Duration) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 4)
		if us, err := strconv.ParseInt(fields[2], 10, 64); err != nil {
			t.Fatal(err)
		} else if us > 0 {
			fields[2] = strconv.FormatInt(us-ago.Microseconds(), 10)
		}
		rest := strings.Join(fields[1:], " ")
		fmt.Fprintf(&out, "%08x %s\n", crc32.ChecksumIEEE([]byte(rest)), rest)
	}
	if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestBackFromChatEngineAfterARestart: a page that was at ChatEngine comes back long after
// the bridge in front of it was started again. It is caught up on what it missed since it
// left, or since the bridge ended; where the bridge has lost what it knew of that, since
// the page came to ChatEngine. Nothing of that depends on replay.message_ids.
func TestBackFromChatEngineAfterARestart(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DB(t, schemas.CRM, `insert into contacts (id, workspace_id, name, phone) values ('`+first+`', '`+ours+`', 'Contact', '5511999990000');
		insert into conversations (id, workspace_id, contact_id) select id, workspace_id, id from contacts;
		insert into workspace_members (user_id, workspace_id, role) values ('`+ana+`', '`+ours+`', 'agent')`)
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	engine := chatengine.New(t, chatengine.Options{Form: chatengine.Agreeing, DatabaseURL: dsn, Secret: secret})
	state := filepath.Join(t.TempDir(), "state")
	kept := state + "-departures"
	b := failover.NewBridge(t, failover.BridgeOptions{Form: chatengine.Real, DatabaseURL: dsn, Secret: secret, Settings: map[string]string{
		"gateway.upstream": engine.URL().String(), "replay.window": "0s", "replay.max_events": "10", "replay.message_ids": "row",
		"replay.state_file": state, "source.postgres.slot": strings.ToLower(conn.Config().Database),
	}})
	// missed inserts what nobody there was sent, half of the time ago.
	missed := func(what string) (texts []string) {
		for i := range 20 {
			texts = append(texts, fmt.Sprintf("%s %d", what, i))
			if _, err := conn.Exec(t.Context(), `insert into messages (workspace_id, conversation_id, body, status, is_outgoing, sender_jid, created_at)
				values ($1, $2, $3, 'delivered', false, '5511999999999@s.whatsapp.net', $4)`, ours, first, texts[i], time.Now().Add(-ago/2)); err != nil {
				t.Fatal(err)
			}
		}
		return texts
	}
	back := func(what, pid string, texts []string) {
		t.Helper()
		p := open(t, b.URL(), pid)
		p.await(what, texts...)
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(p.gaps) > 0 {
			t.Errorf("%s: told of %s", what, p.gaps)
		}
		if !strings.HasPrefix(p.pid, "_.") {
			t.Errorf("%s: it is not at ChatEngine: %s", what, p.pid)
		}
	}
	for _, ending := range []struct {
		how string
		end func()
	}{{"terminated", func() { b.Terminate() }}, {"killed", b.Kill}} {
		left, here := open(t, b.URL(), ""), open(t, b.URL(), "")
		for _, p := range []*page{left, here} {
			if !strings.HasPrefix(p.pid, "_.") {
				t.Fatalf("it is not at ChatEngine: %s", p.pid)
			}
		}
		left.leave()
		await(t, "what is kept", func() bool {
			text, _ := os.ReadFile(kept)
			return bytes.Contains(text, []byte(left.pid)) && bytes.Contains(text, []byte(here.pid))
		})
		ending.end()
		here.leave()
		texts := missed(ending.how)
		sinceThen(t, kept, ago)
		b.Start()
		b.AwaitReady()
		back(ending.how+", left before", left.pid, texts)
		back(ending.how+", was there", here.pid, texts)
	}
	p := open(t, b.URL(), "")
	p.leave()
	b.Kill()
	// It is still known to be the bridge's.
	damaged, err := os.ReadFile(kept)
	if err != nil {
		t.Fatal(err)
	}
	damaged[len("00000000 s ")] ^= 1
	if err := os.WriteFile(kept, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	texts := missed("lost")
	b.Start()
	b.AwaitReady()
	parts := strings.Split(p.pid, ".")
	back("what was kept is lost", "_.R."+parts[2]+"."+strconv.FormatInt(time.Now().Add(-ago).UnixMilli(), 36), texts)
	if !strings.Contains(b.Log(), "a line is damaged") {
		t.Error("nothing is said of the damaged file")
	}
	// Where nobody knows when it was cut, it is told so.
	p = open(t, b.URL(), "_.R.")
	p.await("not known", texts...)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.gaps) != 1 || strings.Contains(p.gaps[0], "since") {
		t.Errorf("where it is not known since when: told of %q", p.gaps)
	}
}

// await waits for a condition.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s did not come", what)
		}
	}
}
