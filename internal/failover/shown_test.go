package failover_test

import (
	"slices"
	"testing"
	"time"

	"chatbridge/internal/chatengine"
	"chatbridge/internal/failover"
	"chatbridge/internal/history"
	"chatbridge/internal/throwaway/pgtest"

	"github.com/jackc/pgx/v5"
)

// idsByProvider has the bridge name messages as ChatEngine does; behind a gateway it
// finds by itself for each client what it has to.
var idsByProvider = map[string]string{"replay.message_ids": "provider"}

// shows wants that pages of a version of the CRM show nothing wrong, of the given
// kinds.
func (w *world) shows(clients *failover.Clients, crm history.CRM, kinds ...string) {
	w.t.Helper()
	j := clients.Shown(w.recorder.Truth(), crm)
	for i, v := range j.Examples {
		if i == maxExamples {
			break
		}
		w.t.Log(v)
	}
	w.t.Logf("%v: %v", crm, j)
	if j.Judged == 0 {
		w.t.Error("nothing was judged")
	}
	for _, kind := range kinds {
		if n := j.Found[kind]; n > 0 {
			w.t.Errorf("%v: %d violations of %s", crm, n, kind)
		}
	}
}

// once and current are what a page may be wrong in.
const (
	once    = "Once"
	current = "Current"
)

// TestNewestCRMShows: after ChatEngine has died and come back, a CRM that knows
// messages by WhatsApp's ids too shows each once, with its last status.
func TestNewestCRMShows(t *testing.T) {
	t.Run("in front", func(t *testing.T) { shownInFront(t, history.ByEveryID) })
	t.Run("beside", func(t *testing.T) { shownBeside(t, history.ByEveryID, nil) })
}

// TestOlderCRMShows: the same of a CRM that knows messages by their id alone.
func TestOlderCRMShows(t *testing.T) {
	t.Run("in front", func(t *testing.T) { shownInFront(t, history.ByID) })
	t.Run("beside", func(t *testing.T) { shownBeside(t, history.ByID, idsByProvider) })
}

func shownInFront(t *testing.T, crm history.CRM) {
	w := newWorld(t, chatengine.Real)
	engine := w.engine()
	bridge := w.bridge(w.database, gatewaySettings(engine))
	writer, clients := w.writer(engine.URL().String()), w.clients(bridge.URL())
	writer.Start("r00")
	for range w.size.rounds {
		pause(2*time.Second, 3*time.Second)
		engine.Kill()
		pause(2*time.Second, 4*time.Second)
		w.restore(engine)
		w.handedBack(bridge)
	}
	steady(released)
	w.finish("CRM's screens, ChatEngine killed and restored", inFront, w.size.rounds, writer, clients, "r00")
	w.shows(clients, crm, once, current)
}

func shownBeside(t *testing.T, crm history.CRM, settings map[string]string) {
	w := newWorld(t, chatengine.Real)
	engine := w.engine()
	bridge := w.bridge(w.database, settings)
	proxy := failover.StartProxy(t, "haproxy", engine.Addr(), bridge.Addr())
	writer, clients := w.writer(engine.URL().String()), w.clients(proxy.URL)
	writer.Start("r00")
	pause(2*time.Second, 3*time.Second)
	engine.Kill()
	pause(2*time.Second, 4*time.Second)
	w.restore(engine)
	steady(2 * time.Second)
	w.finish("CRM's screens, ChatEngine killed and restored", "haproxy", 1, writer, clients, "r00")
	w.shows(clients, crm, once, current)
}

// TestOwnSendsNewestCRM: a message that a client sent by ChatEngine's socket has
// the client's id in its bubble, and in ChatEngine's events. When ChatEngine dies
// it comes again from the database.
func TestOwnSendsNewestCRM(t *testing.T) {
	ownSends(t, history.ByEveryID)
}

// TestOwnSendsOlderCRM: the same of a CRM that knows messages by their id alone.
func TestOwnSendsOlderCRM(t *testing.T) {
	ownSends(t, history.ByID)
}

func ownSends(t *testing.T, crm history.CRM) {
	w := newWorld(t, chatengine.Real)
	engine := w.engine()
	bridge := w.bridge(w.database, map[string]string{"gateway.upstream": engine.URL().String()})
	w.writer(engine.URL().String()) // for the conversations
	w.handedBack(bridge)
	clients := w.clients(bridge.URL())
	steady(released)
	if s := clients.Summary(); s.Connects != w.size.clients || s.Connected != w.size.clients {
		t.Skipf("clients have moved, and what they send may be lost: %v", s)
	}
	var names []string
	for i := range 10 { // each in a conversation of its own
		workspace := failover.WorkspaceID(w.form, workspaceOf(i))
		mine := w.some(workspace, i)[0]
		to := slices.IndexFunc(w.conversations, func(c failover.Conversation) bool { return c.ID == mine })
		names = append(names, clients.Send(i, w.conversations[to], "r00", i))
	}
	w.stored(names, clients)
	settled(w, clients)
	engine.Kill()
	awaitConnects(t, clients, 2*w.size.clients)
	for _, name := range names {
		if err := pgtest.Exec(t.Context(), w.database, "update messages set status = 'read' where external_id = '"+name+"'"); err != nil {
			t.Fatal(err)
		}
	}
	settled(w, clients)
	steady(time.Second)
	w.shows(clients, crm, once, current)
}

// stored waits until the database has the messages, of which the ith is the ith
// client's.
func (w *world) stored(names []string, clients *failover.Clients) {
	w.t.Helper()
	conn, err := pgx.Connect(w.t.Context(), w.database)
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close(w.t.Context())
	for deadline := time.Now().Add(20 * time.Second); ; {
		var n int
		if err := conn.QueryRow(w.t.Context(), "select count(*) from messages").Scan(&n); err != nil {
			w.t.Fatal(err)
		}
		if n == len(names) {
			return
		}
		if time.Now().After(deadline) {
			for i, d := range clients.Digests()[:len(names)] {
				w.t.Logf("client %d: %s is %s; connection: %v", i, names[i], d.Statuses[names[i]], d.Log)
			}
			w.t.Fatalf("%d messages are stored, want %d", n, len(names))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// TestPageLoadedAtChatEngine: what the page found in the database it has under
// the rows' keys, what ChatEngine sent afterwards under WhatsApp's ids. When
// ChatEngine dies both come again, each under the id that it had. (Of what was
// loaded the older CRM has stale statuses from ChatEngine itself.)
func TestPageLoadedAtChatEngine(t *testing.T) {
	w := newWorld(t, chatengine.Real)
	engine := w.engine()
	bridge := w.bridge(w.database, gatewaySettings(engine))
	writer, clients := w.writer(engine.URL().String()), w.clients(bridge.URL())
	writer.Start("r00")
	steady(3 * time.Second)
	clients.Reload(w.database)
	steady(3 * time.Second)
	engine.Kill()
	steady(3 * time.Second)
	w.restore(engine)
	w.handedBack(bridge)
	shownOnce(w, writer, clients)
}

// TestPageLoadedWhileLocal: the page is loaded while the bridge serves, so that
// everything has the rows' keys until ChatEngine is back.
func TestPageLoadedWhileLocal(t *testing.T) {
	w := newWorld(t, chatengine.Real)
	engine := w.engine()
	bridge := w.bridge(w.database, gatewaySettings(engine))
	writer, clients := w.writer(engine.URL().String()), w.clients(bridge.URL())
	writer.Start("r00")
	steady(2 * time.Second)
	engine.Kill()
	awaitConnects(t, clients, 2*w.size.clients)
	steady(2 * time.Second)
	clients.Reload(w.database)
	steady(2 * time.Second)
	w.restore(engine)
	w.handedBack(bridge)
	shownOnce(w, writer, clients)
}

// TestPageLoadedAtBridge: without ChatEngine all names are the rows' keys, and a
// page that is loaded shows nothing twice, whatever the version.
func TestPageLoadedAtBridge(t *testing.T) {
	w := newWorld(t, chatengine.Real)
	bridge := w.bridge(w.database, nil)
	writer, clients := w.writer(""), w.clients(bridge.URL())
	writer.Start("r00")
	steady(2 * time.Second)
	clients.Reload(w.database)
	steady(2 * time.Second)
	bridge.Kill()
	bridge.Start()
	bridge.AwaitReady()
	awaitConnects(t, clients, 3*w.size.clients)
	writer.Stop()
	settled(w, clients)
	w.shows(clients, history.ByID, once, current)
	w.shows(clients, history.ByEveryID, once, current)
}

// released is when the gateway passes on what it keeps back of ChatEngine's events
// for a client that has just come to it, the client's way there included.
const released = 5 * time.Second

// shownOnce ends the writing: pages show all of it once, and the newest CRM its states.
func shownOnce(w *world, writer *failover.Writer, clients *failover.Clients) {
	steady(released)
	writer.Stop()
	settled(w, clients)
	w.shows(clients, history.ByID, once)
	w.shows(clients, history.ByEveryID, once, current)
}

// settled waits until the clients show what the database has.
func settled(w *world, clients *failover.Clients) {
	w.t.Helper()
	if v := failover.Compare(w.t, clients, w.database, w.form, "r00", 20*time.Second); !v.Clean() {
		w.t.Errorf("%v\n%v", v, v.Examples)
	}
}
