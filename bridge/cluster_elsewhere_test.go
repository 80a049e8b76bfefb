package bridge_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	osexec "os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"chatbridge/bridge/auth"
	"chatbridge/internal/npm"
	"chatbridge/internal/process"
)

// childBridge is a bridge in a process of its own.
type childBridge struct {
	addr string
	kill func() // SIGKILL; returns when it is gone
}

// startChild starts a bridge of the cluster in a process of its own, and waits until it
// is ready.
func (c *clusterTest) startChild(env ...string) *childBridge {
	c.t.Helper()
	config, err := pgx.ParseConfig(c.dsn)
	if err != nil {
		c.t.Fatal(err)
	}
	cmd := osexec.Command(os.Args[0])
	cmd.Env = append([]string{
		childEnv + "=1", "PATH=" + os.Getenv("PATH"), "DATABASE_URL=" + c.dsn,
		"BRIDGE_SOURCE_POSTGRES_SLOT=" + strings.ToLower(config.Database),
		"CHATENGINE_JWT_SECRET=" + secret, "BRIDGE_SHUTDOWN_GRACE=5s", "BRIDGE_LISTEN=127.0.0.1:0", "BRIDGE_ADMIN_LISTEN=127.0.0.1:0",
		"REDIS_URL=" + c.redis.URL(), "BRIDGE_CLUSTER_NAME=test",
	}, env...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	var log logbook
	cmd.Stderr = &log
	child, err := process.Start(cmd, syscall.SIGKILL)
	if err != nil {
		c.t.Fatal(err)
	}
	b := &childBridge{kill: sync.OnceFunc(func() { child.KillGroup(); _ = child.Wait() })}
	c.t.Cleanup(b.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		c.t.Fatalf("the bridge did not start: %v\n%s", err, log.String())
	}
	b.addr = strings.TrimSpace(line)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) { // polls another process
		if res, err := http.Get("http://" + b.addr + "/readyz"); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return b
			}
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("the bridge is not ready:\n%s", log.String())
		}
	}
}

// balancer passes connections on, each to the first address of its list that listens. It
// stands for a load balancer.
type balancer struct {
	ln net.Listener
	mu sync.Mutex
	to []string
	n  int
	// spread sends each connection to the next one.
	spread bool
}

func newBalancer(t *testing.T, spread bool, to ...string) *balancer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{ln: ln, to: to, spread: spread}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { b.serve(conn) })
		}
	})
	t.Cleanup(func() { _ = ln.Close(); serving.Wait() })
	return b
}

func (b *balancer) url() string { return "http://" + b.ln.Addr().String() }

func (b *balancer) set(to ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.to, b.spread = to, true
}

func (b *balancer) targets() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	to := slices.Clone(b.to)
	if b.spread && len(to) > 0 {
		b.n++
		to = slices.Concat(to[b.n%len(to):], to[:b.n%len(to)])
	}
	return to
}

func (b *balancer) serve(conn net.Conn) {
	defer conn.Close()
	for _, to := range b.targets() {
		up, err := net.Dial("tcp", to)
		if err != nil {
			continue
		}
		var copying sync.WaitGroup
		copying.Go(func() { _, _ = io.Copy(up, conn); _ = up.Close() })
		_, _ = io.Copy(conn, up)
		_ = conn.Close()
		copying.Wait()
		return
	}
}

// crowd is many of npm's clients.
type crowd struct {
	*npm.TestProcess
	t       *testing.T
	clients int
	// got is how often each had each message; restored, anew and slow count how they
	// connected again.
	got                             []map[string]int
	connected, restored, anew, gaps int
	slowest                         time.Duration
	errors                          map[string]int
}

func startCrowd(t *testing.T, url string, clients int, conversation, transport string) *crowd {
	t.Helper()
	const dir = "../socketio/clienttest/testdata/npm"
	npm.Install(t, dir)
	c := &crowd{t: t, clients: clients, errors: make(map[string]int)}
	for range clients {
		c.got = append(c.got, make(map[string]int))
	}
	c.TestProcess = npm.Node(t, dir+"/crowd.mjs", url, token(t, workspace), fmt.Sprint(clients), conversation, transport)
	return c
}

// until takes what the clients say until ok.
func (c *crowd) until(what string, ok func() bool) {
	c.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			c.t.Fatalf("%s did not come: %d connected, %d restored, %d anew, errors %v", what, c.connected, c.restored, c.anew, c.errors)
		}
		var line struct {
			Event, Reason, Body string
			Client              int
			Recovered           bool
			Took                int
		}
		if err := json.Unmarshal(c.NextLine(), &line); err != nil {
			c.t.Fatal(err)
		}
		switch line.Event {
		case "connect":
			c.connected++
			if line.Took == 0 {
				break
			}
			c.slowest = max(c.slowest, time.Duration(line.Took)*time.Millisecond)
			if line.Recovered {
				c.restored++
			} else {
				c.anew++
			}
		case "message":
			c.got[line.Client][line.Body]++
		case "gap":
			c.gaps++
		case "connect_error", "disconnect":
			c.errors[line.Event+": "+line.Reason]++
		}
	}
}

func (c *crowd) allHave(body string) func() bool {
	return func() bool {
		return !slices.ContainsFunc(c.got, func(got map[string]int) bool { return got[body] == 0 })
	}
}

// TestABridgeIsKilled: its clients go on at the others with the sessions that they had,
// and have each message once.
func TestABridgeIsKilled(t *testing.T) {
	t.Parallel()
	const clients = 60
	c := newClusterTest(t)
	first := c.start()
	first.ready()
	first.await("that it leads", func() bool { return role(first) == "leader" })
	killed := c.startChild()
	second := c.start()
	second.ready()
	lb := newBalancer(t, false, killed.addr)
	crowd := startCrowd(t, lb.url(), clients, c.ids[0], "websocket")
	crowd.until("the clients", func() bool { return crowd.connected == clients })
	c.sessionsKept(first, clients) // a later event's offset proves what a client had until then
	for i := range 5 {
		c.insert(fmt.Sprint("before ", i))
	}
	crowd.until("the last message", crowd.allHave("before 4"))
	lb.set(first.Addr().String(), second.Addr().String())
	killed.kill()
	for i := range 5 {
		c.insert(fmt.Sprint("after ", i))
	}
	crowd.until("all clients and all messages", func() bool { return crowd.restored+crowd.anew >= clients && crowd.allHave("after 4")() })
	t.Logf("%d restored, %d anew, the slowest in %v", crowd.restored, crowd.anew, crowd.slowest)
	if crowd.restored*100 < clients*99 {
		t.Errorf("only %d of %d clients were restored", crowd.restored, clients)
	}
	for i, got := range crowd.got {
		for _, body := range c.sent {
			if got[body] != 1 {
				t.Errorf("client %d had %q %d times", i, body, got[body])
			}
		}
	}
	if crowd.gaps > 0 {
		t.Errorf("%d were told of gaps", crowd.gaps)
	}
}

// visit connects a user as one that comes with a private id and an offset, and reports
// whether the session went on.
func (d *daemonTest) visit(user, pid, offset string, subscribe ...string) (*crm, bool) {
	d.t.Helper()
	signed, err := auth.Sign(secret, workspace, user, "", "", time.Now(), time.Hour)
	if err != nil {
		d.t.Fatal(err)
	}
	show := map[string]any{"token": signed}
	if pid != "" {
		show["pid"], show["offset"] = pid, offset
	}
	c := d.clientWith(show, subscribe...)
	c.mu.Lock()
	defer c.mu.Unlock()
	return c, c.pid == pid
}

// last returns the offset that the client received last.
func (c *crm) last() (offset string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.events {
		if e.Offset != "" {
			offset = e.Offset
		}
	}
	return offset
}

// received returns the messages that came, in order.
func (c *crm) received() (all []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.events {
		if e.Name == "message" {
			all = append(all, e.Payload["content"].(string))
		}
	}
	return all
}

// subscribes makes the client subscribe, and returns once that is acknowledged.
func (c *crm) subscribes(conversation string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 30*time.Second)
	defer cancel()
	if _, err := c.EmitAck(ctx, "subscribe:conversation", conversation); err != nil {
		c.t.Fatalf("subscribe: %v", err)
	}
}

// keptOf returns what Redis has of a session: the body, and whether there is one.
func (c *clusterTest) keptOf(pid string) (body string, ok bool) {
	c.t.Helper()
	sum := sha256.Sum256([]byte(pid))
	client := c.redis.Client()
	keys := client.Keys(c.t.Context(), "bridge:{test}:*:s:"+hex.EncodeToString(sum[:16])).Val()
	if len(keys) != 1 {
		return "", false
	}
	text, err := client.Get(c.t.Context(), keys[0]).Result()
	if err != nil || len(text) < 56 {
		return "", false
	}
	return text[56:], true
}

// awaitKept waits until another bridge can go on with a session.
func (c *clusterTest) awaitKept(d *daemonTest, pid, with string) {
	c.t.Helper()
	d.await("what is kept of the session", func() bool { body, _ := c.keptOf(pid); return strings.Contains(body, with) })
}

func (c *clusterTest) insertInto(conversation, text string) {
	c.t.Helper()
	if _, err := c.conn.Exec(c.t.Context(), insertMessage, workspace, conversation, text); err != nil {
		c.t.Fatal(err)
	}
}

// has awaits a message.
func (c *crm) has(text string) {
	c.t.Helper()
	c.await(text, func(events []event) bool { return bodies(events)[text] })
}

// TestSessionsGoOnElsewhere: to the same user alone, once, with all that was subscribed to,
// and from the offset on; and never where that is not certain.
func TestSessionsGoOnElsewhere(t *testing.T) {
	t.Parallel()
	c := newClusterTest(t)
	c.ids = nil
	for i := range 40 {
		id := fmt.Sprintf("c1000000-0000-4000-8000-%012d", i)
		run(t, c.conn, "insert into conversations (id, workspace_id, contact_id) select $1, $2, id from contacts limit 1", id, workspace)
		c.ids = append(c.ids, id)
	}
	one, two := c.ids[0], c.ids[1]
	first := c.start()
	first.ready()
	first.await("that it leads", func() bool { return role(first) == "leader" })
	second := c.start()
	second.ready()
	ana, restored := first.visit("ana", "", "", one)
	if restored {
		t.Fatal("a client that asks for nothing was restored")
	}
	c.awaitKept(first, ana.pid, one) // a later event's offset proves that she had all until then
	c.insertInto(one, "first")
	ana.has("first")
	pid, offset := ana.pid, ana.last()
	ana.leave()
	c.insertInto(one, "while away")
	c.insertInto(two, "not subscribed to")

	t.Log("another user, and another workspace, with her private id")
	for _, thief := range []map[string]any{
		{"token": func() string { s, _ := auth.Sign(secret, workspace, "eve", "", "", time.Now(), time.Hour); return s }()},
		{"token": token(t, "5a1e0000-0000-4000-8000-00000000000f")},
	} {
		thief["pid"], thief["offset"] = pid, offset
		if other := second.clientWith(thief); other.pid == pid {
			t.Fatal("somebody else went on with the session")
		} else {
			other.leave()
		}
	}

	t.Log("she comes to the other bridge")
	ana, restored = second.visit("ana", pid, offset)
	if !restored {
		t.Fatalf("not restored at another bridge: %+v", second.Snapshot().API)
	}
	ana.has("while away")
	c.insertInto(one, "live")
	ana.has("live")
	if got := ana.received(); !slices.Equal(got, []string{"while away", "live"}) {
		t.Errorf("received %q", got)
	}

	t.Log("she subscribes there, and comes back to where an older session of hers is")
	ana.subscribes(two)
	ana.has("not subscribed to")
	c.insertInto(two, "of both")
	ana.has("of both")
	c.awaitKept(second, pid, two)
	offset = ana.last()
	ana.leave()
	ana, restored = first.visit("ana", pid, offset)
	if !restored {
		t.Fatal("not restored where she had been before")
	}
	c.insertInto(two, "of the second")
	ana.has("of the second")
	offset = ana.last()

	t.Log("whatever she has subscribed to, nobody goes on with less")
	for _, id := range c.ids[2:] {
		ana.subscribes(id)
		if body, ok := c.keptOf(pid); ok && body != "" && !strings.Contains(body, id) {
			t.Fatalf("she subscribed to %s, and what is kept is %s", id, body)
		}
	}
	ana.leave()

	t.Log("Redis has lost what was kept: an older session of this bridge proves nothing")
	if err := c.redis.Client().FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if _, restored = first.visit("ana", pid, offset); restored {
		t.Error("restored although another bridge may have had the session since")
	}
}

// TestASubscriptionWaitsForRedis: while Redis cannot be told that a session has changed, the
// subscription is not made; after some seconds the client begins anew.
func TestASubscriptionWaitsForRedis(t *testing.T) {
	t.Parallel()
	c := newClusterTest(t)
	first := c.start()
	first.ready()
	first.await("that it leads", func() bool { return role(first) == "leader" })
	ana, _ := first.visit("ana", "", "", c.ids[0])
	c.insert("one")
	ana.has("one")
	c.awaitKept(first, ana.pid, c.ids[0])
	pid := ana.pid
	c.redis.Stop()
	made := make(chan error, 1)
	go func() {
		_, err := ana.EmitAck(t.Context(), "subscribe:conversation", "c1000000-0000-4000-8000-00000000beef")
		made <- err
	}()
	if err := <-made; err == nil {
		c.redis.Wake()
		t.Fatal("the subscription was made")
	}
	<-ana.connected // again
	ana.mu.Lock()
	anew := ana.pid != pid
	ana.mu.Unlock()
	if !anew {
		t.Error("the client goes on with a session that others may know wrongly")
	}
	// Of the new one Redis has nothing: it is not closed again.
	for i := range 3 {
		ana.subscribes(fmt.Sprintf("c1000000-0000-4000-8000-00000000bee%d", i))
		c.insert(fmt.Sprint("away ", i))
		ana.has(fmt.Sprint("away ", i)) // all that it was owed has come
	}
	c.redis.Wake()
	ana.mu.Lock()
	pid = ana.pid
	ana.mu.Unlock()
	c.awaitKept(first, pid, "bee2")
	c.insert("two")
	ana.has("two")
}

// TestPollingNeedsNoStickySessions: each request of a client may come to another bridge.
// When its bridge is killed it goes on at another.
func TestPollingNeedsNoStickySessions(t *testing.T) {
	t.Parallel()
	c := newClusterTest(t)
	first := c.start()
	first.ready()
	first.await("that it leads", func() bool { return role(first) == "leader" })
	second, third := c.startChild(), c.startChild()
	first.await("that all know of each other", func() bool { return first.Snapshot().Cluster.Nodes == 2 })
	for _, transport := range []string{"both", "polling"} {
		lb := newBalancer(t, true, first.Addr().String(), second.addr, third.addr)
		const clients = 6
		crowd := startCrowd(t, lb.url(), clients, c.ids[0], transport)
		crowd.until("the clients", func() bool { return crowd.connected == clients })
		for i := range 5 {
			c.insert(fmt.Sprint(transport, i))
			crowd.until("each message", crowd.allHave(fmt.Sprint(transport, i)))
		}
		if len(crowd.errors) > 0 {
			t.Errorf("%s: %v", transport, crowd.errors)
		}
		if transport == "polling" {
			c.sessionsKept(first, clients)
			lb.set(first.Addr().String(), second.addr)
			third.kill()
			c.insert("after")
			crowd.until("the message", crowd.allHave("after"))
			for i, got := range crowd.got {
				for body, n := range got {
					if n != 1 {
						t.Errorf("client %d had %q %d times", i, body, n)
					}
				}
			}
			if crowd.anew > 0 {
				t.Errorf("%d began anew", crowd.anew)
			}
		}
		crowd.Stop()
		c.redis.Client().FlushAll(t.Context())
	}
	if n := first.Snapshot().Cluster.Forwarded; n == 0 {
		t.Error("nothing was passed on")
	}
}

// sessionsKept waits until so many sessions could be gone on with.
func (c *clusterTest) sessionsKept(d *daemonTest, n int) {
	c.t.Helper()
	d.await("what is kept of the sessions", func() bool {
		client, sound := c.redis.Client(), 0
		for _, key := range client.Keys(c.t.Context(), "bridge:{test}:*:s:*").Val() {
			if client.StrLen(c.t.Context(), key).Val() > 56 {
				sound++
			}
		}
		return sound >= n
	})
}

// TestNewSessionsWhileNoLeaderIsHeard wait where no bridge leads, because one soon does; and
// are refused where this bridge is cut off, because another one serves. /readyz says so.
func TestNewSessionsWhileNoLeaderIsHeard(t *testing.T) {
	t.Parallel()
	c := newClusterTest(t)
	leader := c.startChild()
	edge := c.start("BRIDGE_CLUSTER_ROLE=edge")
	edge.ready()
	if s := edge.Snapshot(); s.Cluster.Leader == "" || s.Ready.Leader != s.Cluster.Leader {
		t.Errorf("/readyz says that %q leads, /status %q", s.Ready.Leader, s.Cluster.Leader)
	}
	if code, body := edge.getAdmin("/readyz", ""); code != http.StatusOK || !strings.Contains(body, edge.Snapshot().Cluster.Leader) {
		t.Errorf("/readyz of the operator: %d %s", code, body)
	}
	stays := edge.client(c.ids[0])
	leader.kill()
	killed := time.Now()
	edge.await("that it does not hear the leader", func() bool { return !edge.Snapshot().Cluster.Connected })
	if code, body := edge.get("/readyz"); code != http.StatusOK {
		t.Errorf("/readyz while a leader is awaited: %d %s", code, body)
	}
	answered := make(chan int, 1)
	go func() {
		code, _ := edge.get("/api/ws/?EIO=4&transport=polling")
		answered <- code
	}()
	next := c.start()
	if code := <-answered; code != http.StatusOK && time.Since(killed) < 6*time.Second { // on a busy machine
		t.Errorf("a session that came while a leader was awaited: %d", code)
	}
	next.await("that it leads", func() bool { return role(next) == "leader" })
	edge.ready()
	if n := len(stays.connected); n > 0 {
		t.Errorf("a client that was there had to connect %d times again", n)
	}

	c.redis.Kill()
	var said string
	edge.await("that it is not ready", func() bool {
		code, body := edge.get("/readyz")
		said = body
		return code == http.StatusServiceUnavailable
	})
	if !strings.Contains(said, "the leader of the cluster is not heard") { // seconds before it stands by
		t.Errorf("a bridge that is cut off was ready until %s", said)
	}
	if code, _ := edge.get("/api/ws/?EIO=4&transport=polling"); code != http.StatusServiceUnavailable {
		t.Errorf("a session that came while the bridge was cut off: %d", code)
	}
	if code, _ := next.get("/api/ws/?EIO=4&transport=polling"); code != http.StatusOK {
		t.Errorf("the leader does not serve: %d", code)
	}
	c.redis.Run()
	edge.ready()
}
