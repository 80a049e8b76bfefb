package failover_test

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
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
	t    *testing.T
	size size
	// form is that of the world's ChatEngine, and of its tables.
	form          chatengine.Form
	cluster       *throwaway.Cluster
	database      string
	through       string // the writer's address of the database; empty: the same
	conversations []failover.Conversation
	timeout       time.Duration // of the writer's requests to ChatEngine
	recorder      *failover.Recorder
	// prompt is how long an event may take here, failures included; window is the
	// bridges', zero for a minute.
	prompt, window time.Duration
	// settleLimit is how long clients may take at the end for what was written; zero: 20 s.
	settleLimit time.Duration
}

// newWorld starts a cluster of its own, which may be killed, with the tables of a
// form of ChatEngine. In the short form worlds run in parallel, because they mostly
// wait; in the full one each has the machine to itself, so that its times can be
// published.
func newWorld(t *testing.T, form chatengine.Form) *world {
	t.Helper()
	if !full() {
		t.Parallel()
	}
	w := &world{t: t, form: form, size: sizes(), prompt: 20 * time.Second, conversations: conversations(form)}
	w.cluster = pgtest.Cluster(t, throwaway.Options{TCP: true})
	if form == chatengine.Agreeing {
		w.database = pgtest.On(t, w.cluster, schemas.ChatEngine)
		return w
	}
	w.database = pgtest.On(t, w.cluster, schemas.CRM, w.members())
	return w
}

// members makes the clients' users members of their workspaces.
func (w *world) members() string {
	members := "insert into workspace_members (user_id, workspace_id, role) values "
	for i := range w.size.clients {
		members += fmt.Sprintf("('%s', '%s', 'agent'),", failover.UserID(w.form, i), failover.WorkspaceID(w.form, workspaceOf(i)))
	}
	return strings.TrimSuffix(members, ",")
}

// eachForm runs a scene with each form of ChatEngine and its tables, in the short
// form of the tests with those given.
func eachForm(t *testing.T, short []chatengine.Form, scene func(t *testing.T, form chatengine.Form)) {
	t.Helper()
	forms := short
	if full() {
		forms = []chatengine.Form{chatengine.Agreeing, chatengine.Real}
	} else {
		t.Parallel()
	}
	for _, form := range forms {
		t.Run(string(form), func(t *testing.T) { scene(t, form) })
	}
}

// Which forms a scene has in the short form of the tests.
var (
	both     = []chatengine.Form{chatengine.Agreeing, chatengine.Real}
	agreeing = []chatengine.Form{chatengine.Agreeing}
	realOnly = []chatengine.Form{chatengine.Real}
)

// workspaceOf is the workspace of the ith client or conversation: two, four to
// one.
func workspaceOf(i int) int {
	if i%5 == 4 {
		return 1
	}
	return 0
}

// conversations are 20.
func conversations(form chatengine.Form) []failover.Conversation {
	all := make([]failover.Conversation, 20)
	for i := range all {
		all[i] = failover.Conversation{
			ID: failover.ConversationID(form, i), Workspace: failover.WorkspaceID(form, workspaceOf(i)), Number: i,
		}
	}
	return all
}

// engine starts a stand-in for ChatEngine on the world's database.
func (w *world) engine() *chatengine.Server {
	w.t.Helper()
	return chatengine.New(w.t, chatengine.Options{Form: w.form, DatabaseURL: w.database, Secret: secret})
}

// writer writes to the world, through ChatEngine at url where it is not empty.
func (w *world) writer(url string) *failover.Writer {
	w.t.Helper()
	w.recorder = failover.Record(w.t, w.database, w.form, url != "")
	return failover.NewWriter(w.t, failover.WriterOptions{
		Form: w.form, DatabaseURL: cmp.Or(w.through, w.database), Engine: url, Conversations: w.conversations, Rate: w.size.rate, Timeout: w.timeout,
	})
}

// clients starts the world's clients at url. Each has four conversations of its
// workspace open, so that each conversation is open in several.
func (w *world) clients(url string) *failover.Clients { return w.clientsBy(url) }

// clientsBy is clients with these transports; none: the CRM's.
func (w *world) clientsBy(url string, transports ...string) *failover.Clients {
	w.t.Helper()
	all := make([]failover.Client, w.size.clients)
	for i := range all {
		workspace := failover.WorkspaceID(w.form, workspaceOf(i))
		token, err := chatengine.Token(secret, workspace, failover.UserID(w.form, i))
		if err != nil {
			w.t.Fatal(err)
		}
		all[i] = failover.Client{Token: token, WorkspaceID: workspace, Subscribe: w.some(workspace, i)}
	}
	return failover.StartClients(w.t, failover.ClientsOptions{URL: url, Clients: all, Processes: w.size.processes, Transports: transports})
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
	v := failover.Compare(w.t, clients, w.database, w.form, round, cmp.Or(w.settleLimit, 20*time.Second))
	for _, line := range v.Examples {
		w.t.Log(line)
	}
	return v
}

// bounds are what clients are promised; way is what they connect to.
func (w *world) bounds(way string) history.Bounds {
	b := history.Bounds{
		Window: cmp.Or(w.window, time.Minute), Prompt: w.prompt, Grace: 300 * time.Millisecond, CatchUp: 20 * time.Second, Slack: 2 * time.Second,
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
