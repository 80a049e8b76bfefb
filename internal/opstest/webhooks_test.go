package opstest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const webhookPath = "/api/webhooks/whatsapp"

// engine is a stand-in for ChatEngine that takes webhooks, and comes and goes.
type engine struct {
	t    *testing.T
	addr string

	mu     sync.Mutex
	server *http.Server // nil while it is away
	served sync.WaitGroup
	got    map[string][]int // by sender, in the order of their arrival
	fails  func() int       // a status to answer with; 0 takes the webhook, -1 breaks off
}

func newEngine(t *testing.T) *engine {
	e := &engine{t: t, addr: freeAddress(t), got: map[string][]int{}}
	t.Cleanup(e.leave)
	return e
}

func (e *engine) come() {
	e.t.Helper()
	ln, err := net.Listen("tcp", e.addr)
	if err != nil {
		e.t.Fatal(err)
	}
	s := &http.Server{Handler: e}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.server = s
	e.served.Go(func() { _ = s.Serve(ln) })
}

// leave cuts every connection.
func (e *engine) leave() {
	e.mu.Lock()
	s := e.server
	e.server = nil
	e.mu.Unlock()
	if s != nil {
		_ = s.Close()
		e.served.Wait()
	}
}

func (e *engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != webhookPath { // the probe
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"code":1,"message":"Session ID unknown"}`)
		return
	}
	var hook struct {
		Instance string
		N        int
	}
	if err := json.NewDecoder(r.Body).Decode(&hook); err != nil {
		return // cut off
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	status := 0
	if e.fails != nil {
		status = e.fails()
	}
	if status <= 0 {
		e.got[hook.Instance] = append(e.got[hook.Instance], hook.N)
	}
	if status < 0 {
		panic(http.ErrAbortHandler)
	}
	if status > 0 {
		w.WriteHeader(status)
	}
}

// arrived are the numbers of a sender's webhooks, each once, by their first arrival, and how
// often one came again.
func (e *engine) arrived(sender string) (first []int, again int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	seen := map[int]bool{}
	for _, n := range e.got[sender] {
		if seen[n] {
			again++
			continue
		}
		seen[n] = true
		first = append(first, n)
	}
	return first, again
}

// webhookBridge is how a bridge is started that keeps webhooks.
type webhookBridge struct {
	t       *testing.T
	env     []string
	address string
	*process
}

func newWebhookBridge(t *testing.T, e *engine, env ...string) *webhookBridge {
	b := &webhookBridge{t: t, address: freeAddress(t)}
	b.env = append([]string{
		"DATABASE_URL=postgres://127.0.0.1:1/nowhere", "CHATENGINE_JWT_SECRET=" + strings.Repeat("s", 32), "CHATENGINE_URL=http://" + e.addr,
		"BRIDGE_LISTEN=" + b.address, "BRIDGE_ADMIN_LISTEN=" + freeAddress(t), "BRIDGE_LOG_FORMAT=json",
		"BRIDGE_GATEWAY_INTERVAL=100ms", "BRIDGE_SPOOL_DIR=" + filepath.Join(t.TempDir(), "spool"), "BRIDGE_SPOOL_RATE=0",
	}, env...)
	b.start()
	return b
}

func (b *webhookBridge) start() {
	b.process = start(b.t, setup{args: []string{"serve"}, env: b.env})
	b.line("serving", 1)
}

// kill ends it by kill -9.
func (b *webhookBridge) kill() {
	b.signal(syscall.SIGKILL)
	b.end()
}

// post posts a webhook and returns the status, 0 for none.
func (b *webhookBridge) post(c *http.Client, sender string, n int) int {
	resp, err := c.Post("http://"+b.address+webhookPath, "application/json", strings.NewReader(fmt.Sprintf(`{"instance":%q,"n":%d}`, sender, n)))
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// command runs `bridge` with the bridge's environment.
func (b *webhookBridge) command(args ...string) (code int, out string) {
	b.t.Helper()
	cmd := exec.Command(binary(b.t), args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=/"}, b.env...)
	text, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		b.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(text)
}

// chaosTime is how long the storm lasts; SPOOL_STORM makes it longer.
func chaosTime(t *testing.T) time.Duration {
	text := os.Getenv("SPOOL_STORM")
	if text == "" {
		return 4 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestWebhooksOverOutagesAndKills: 50 a second of five senders, while ChatEngine dies,
// fails and breaks off, and the bridge is killed (kill -9) again and again. Each webhook
// that was answered 200 arrives, in the order of its sender.
func TestWebhooksOverOutagesAndKills(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.come()
	e.fails = func() int {
		switch rand.N(40) {
		case 0:
			return http.StatusInternalServerError
		case 1:
			return -1
		case 2:
			return http.StatusServiceUnavailable
		}
		return 0
	}
	b := newWebhookBridge(t, e)
	end := time.Now().Add(chaosTime(t))
	var senders sync.WaitGroup
	sent := make([]int, 5)
	for i := range sent {
		senders.Go(func() {
			c := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{}}
			defer c.CloseIdleConnections()
			for tick := time.NewTicker(100 * time.Millisecond); time.Now().Before(end); <-tick.C {
				n := sent[i]
				for b.post(c, fmt.Sprint("sender", i), n) != http.StatusOK {
					time.Sleep(20 * time.Millisecond) // as a provider does that sends again
					if time.Since(end) > waitLimit {
						t.Errorf("sender %d: webhook %d is not taken", i, n)
						return
					}
				}
				sent[i]++
			}
		})
	}
	outages, kills := 0, 0
	for time.Now().Before(end) {
		time.Sleep(time.Duration(200+rand.N(500)) * time.Millisecond)
		switch rand.N(3) {
		case 0:
			e.leave()
			outages++
			time.Sleep(time.Duration(rand.N(1000)) * time.Millisecond)
			if rand.N(2) == 0 {
				b.kill()
				kills++
				b.start()
			}
			e.come()
		default:
			b.kill()
			kills++
			b.start()
		}
	}
	senders.Wait()
	e.mu.Lock()
	e.fails = nil
	e.mu.Unlock()
	total, again := 0, 0
	for i, n := range sent {
		sender := fmt.Sprint("sender", i)
		for deadline := time.Now().Add(waitLimit); ; time.Sleep(20 * time.Millisecond) {
			first, twice := e.arrived(sender)
			if len(first) == n {
				if !slices.IsSorted(first) {
					t.Errorf("%s: out of order: %v", sender, first)
				}
				total, again = total+n, again+twice
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d of %d arrived: %v", sender, len(first), n, first)
			}
		}
	}
	if code, out := b.command("spool", "list"); code != 0 || strings.Contains(out, "dead") {
		t.Errorf("spool list: %d %s", code, out)
	}
	t.Logf("%d webhooks, %d outages, %d kills, %d came twice", total, outages, kills, again)
}

// TestSpoolCommand asks the running daemon, and the file where none runs.
func TestSpoolCommand(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	b := newWebhookBridge(t, e)
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for n := range 3 {
		if code := b.post(c, "A", n); code != http.StatusOK {
			t.Fatalf("answered %d", code)
		}
	}
	run := func(want int, args ...string) string {
		t.Helper()
		code, out := b.command(append([]string{"spool"}, args...)...)
		if code != want {
			t.Errorf("bridge spool %v: exit code %d, want %d: %s", args, code, want, out)
		}
		return out
	}
	list := run(0, "list")
	if strings.Count(list, "\n") != 3 || !strings.Contains(list, "waiting") || !strings.Contains(list, webhookPath+"  A") {
		t.Errorf("list: %s", list)
	}
	if out := run(0, "show", "1"); !strings.Contains(out, "Content-Type: application/json") || strings.Contains(out, `"instance"`) {
		t.Errorf("show: %s", out)
	}
	if out := run(0, "show", "1", "--body"); out != `{"instance":"A","n":0}` {
		t.Errorf("body: %s", out)
	}
	run(1, "show", "77")
	if out := run(0, "drop", "2"); !strings.Contains(out, "1 webhooks dropped") {
		t.Errorf("drop: %s", out)
	}
	// A second daemon on the directory runs without the spool, and says so.
	second := start(t, setup{args: []string{"serve"}, env: append(slices.Clone(b.env), "BRIDGE_LISTEN="+freeAddress(t), "BRIDGE_ADMIN_LISTEN="+freeAddress(t))})
	second.line("the_spool_cannot_be_opened_so_no_webhook_is_kept", 1)
	second.stop()
	b.kill()
	if out := run(0, "list"); strings.Count(out, "\n") != 2 {
		t.Errorf("list without a daemon: %s", out)
	}
	if out := run(0, "drop", "1"); !strings.Contains(out, "1 webhooks dropped") {
		t.Errorf("drop without a daemon: %s", out)
	}
	e.come()
	b.start()
	for deadline := time.Now().Add(waitLimit); ; time.Sleep(10 * time.Millisecond) {
		if first, again := e.arrived("A"); len(first) > 0 || time.Now().After(deadline) {
			if fmt.Sprint(first, again) != "[2] 0" {
				t.Errorf("arrived: %v, %d again", first, again)
			}
			break
		}
	}
	b.stop()
}
