package failover_test

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"chatbridge/internal/chatengine"
	"chatbridge/internal/failover"
	"chatbridge/internal/history"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"
)

// size is how much of everything. The short form, for every run of the tests, has
// the same steps as the full one with less of everything.
type size struct {
	clients, processes int
	rate               int // messages per second
	rounds             int // of each failure
	drop               time.Duration
}

func sizes() size {
	if full() {
		return size{clients: 50, processes: 2, rate: 100, rounds: 10, drop: 30 * time.Second}
	}
	return size{clients: 10, processes: 1, rate: 25, rounds: 2, drop: 3 * time.Second}
}

// full reports whether the full form is to be run.
func full() bool { return os.Getenv("FAILOVER") == "full" }

// secret signs the tokens of a world.
const secret = "chatengine-secret-of-the-failover-tests"

// world is a database, conversations and users.
type world struct {
	t             *testing.T
	size          size
	cluster       *throwaway.Cluster
	database      string
	conversations []failover.Conversation
	timeout       time.Duration // of the writer's requests to ChatEngine
	recorder      *failover.Recorder
	// prompt is how long an event may take here, failures included.
	prompt time.Duration
}

// newWorld starts a cluster of its own, which may be killed. In the short form
// worlds run in parallel, because they mostly wait; in the full one each has the
// machine to itself, so that its times can be published.
func newWorld(t *testing.T) *world {
	t.Helper()
	if !full() {
		t.Parallel()
	}
	w := &world{t: t, size: sizes(), prompt: 20 * time.Second}
	w.cluster = pgtest.Cluster(t, throwaway.Options{TCP: true})
	w.database = pgtest.On(t, w.cluster, schemas.ChatEngine)
	w.conversations = conversations()
	return w
}

// conversations are 20, of two workspaces, four to one.
func conversations() []failover.Conversation {
	all := make([]failover.Conversation, 20)
	for i := range all {
		all[i] = failover.Conversation{ID: fmt.Sprintf("c%02d", i), Workspace: "w1"}
		if i%5 == 4 {
			all[i].Workspace = "w2"
		}
	}
	return all
}

// engine starts a stand-in for ChatEngine on the world's database.
func (w *world) engine() *chatengine.Server {
	w.t.Helper()
	return chatengine.New(w.t, chatengine.Options{DatabaseURL: w.database, Secret: secret})
}

// writer writes to the world, through ChatEngine at url where it is not empty.
func (w *world) writer(url string) *failover.Writer {
	w.t.Helper()
	w.recorder = failover.Record(w.t, w.database, url != "")
	return failover.NewWriter(w.t, failover.WriterOptions{
		DatabaseURL: w.database, Engine: url, Conversations: w.conversations, Rate: w.size.rate, Timeout: w.timeout,
	})
}

// clients starts the world's clients at url. Each has four conversations of its
// workspace open, so that each conversation is open in several.
func (w *world) clients(url string) *failover.Clients {
	w.t.Helper()
	all := make([]failover.Client, w.size.clients)
	for i := range all {
		workspace := "w1"
		if i%5 == 4 {
			workspace = "w2"
		}
		token, err := chatengine.Token(secret, workspace, fmt.Sprintf("user-%d", i))
		if err != nil {
			w.t.Fatal(err)
		}
		all[i] = failover.Client{Token: token, WorkspaceID: workspace, Subscribe: w.some(workspace, i)}
	}
	return failover.StartClients(w.t, failover.ClientsOptions{URL: url, Clients: all, Processes: w.size.processes})
}

// some are four conversations of the workspace, others for each i.
func (w *world) some(workspace string, i int) []string {
	var mine []string
	for _, c := range w.conversations {
		if c.Workspace == workspace {
			mine = append(mine, c.ID)
		}
	}
	var four []string
	for k := range 4 {
		if id := mine[(i+3*k)%len(mine)]; !slices.Contains(four, id) {
			four = append(four, id)
		}
	}
	return four
}

// settle stops the writer and compares.
func (w *world) settle(writer *failover.Writer, clients *failover.Clients, round string) failover.Verdict {
	w.t.Helper()
	writer.Stop()
	v := failover.Compare(w.t, clients, w.database, round, 20*time.Second)
	for _, line := range v.Examples {
		w.t.Log(line)
	}
	return v
}

// bounds are what clients are promised; way is what they connect to.
func (w *world) bounds(way string) history.Bounds {
	b := history.Bounds{
		Window: time.Minute, Prompt: w.prompt, Grace: 300 * time.Millisecond, CatchUp: 20 * time.Second, Slack: 2 * time.Second,
		Continuous: true, // no client is away for longer than the window
	}
	if way == inFront {
		// The gateway asks the bridge as often as needed.
		b.Repeats = -1
	}
	return b
}

// judge judges every client's history by what was committed. The clients must
// have settled.
func (w *world) judge(clients *failover.Clients, way string) failover.Judgement {
	w.t.Helper()
	live := way != inFront && way != alone
	j := clients.Judge(w.recorder.Truth(), w.bounds(way), live)
	for i, v := range j.Examples {
		if i == maxExamples {
			w.t.Logf("and examples of %d more", len(j.Examples)-i)
			break
		}
		w.t.Log(v)
	}
	return j
}

// maxExamples bounds the violations in a test's log.
const maxExamples = 40

// What clients connect to, beside the load balancers by their names.
const (
	inFront = "in front"
	alone   = "bridge alone"
)

// steady lets the writer write for a while.
func steady(d time.Duration) { time.Sleep(d) }
