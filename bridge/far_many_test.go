package bridge_test

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"chatbridge/bridge/hub"
	"chatbridge/internal/ports"
	"chatbridge/internal/schemas"
	"chatbridge/internal/sioclient"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/source"
)

// TestManyOfOneWorkspace: 300 clients of one workspace, away for about an hour each, come
// back at once: to one, two or three conversations, or to all. Each shows in the end what
// the database has of them, in order, and is told of no gap. FAR=full has 2,000 come back,
// and measures.
func TestManyOfOneWorkspace(t *testing.T) {
	t.Parallel()
	size := hoursWorld{workspaces: 1, conversations: 6, clients: 300, every: 10 * time.Minute, timeout: time.Minute}
	if os.Getenv("FAR") == "full" {
		size = hoursWorld{workspaces: 1, conversations: 15, clients: 2000, every: 5 * time.Minute, timeout: 5 * time.Minute}
	}
	dsn := pgtest.DB(t, schemas.CRM)
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	w := &hoursTest{t: t, size: size, dsn: dsn, conn: conn, now: time.Now().Truncate(time.Millisecond)}
	w.fill()
	listen, err := ports.Free()
	if err != nil {
		t.Fatal(err)
	}
	d := startDaemon(t, dsn, "BRIDGE_REPLAY_WINDOW=0s", "BRIDGE_LISTEN="+listen)
	d.ready()
	cost, stayed := w.cost(), w.stay(d)
	var before, during []time.Duration
	for range 20 {
		before = append(before, stayed())
	}
	began := time.Now()
	clients := w.manyComeBack(d.url)
	connected := time.Since(began)
	for lacks := true; lacks && time.Since(began) < size.timeout; { // then each says what it lacks
		during = append(during, stayed())
		lacks = slices.ContainsFunc(clients, func(c *hoursClient) bool { return !c.complete() })
	}
	took := time.Since(began)
	for _, c := range clients {
		c.check(t)
	}
	s, after := d.Snapshot(), w.cost()
	t.Logf("%d clients began to connect in %v, and were caught up after %v: %d catch-ups in %d readings, %d lists and %d rows of the tables, %d packets, %v of the database's time, %v of waiting together; "+
		"the database: %d transactions, %d rows returned; another client's median delay %v, before %v; the longest tenth %v, before %v",
		size.clients, connected, took, s.Hub.FarHealed, s.Far.Readings, s.Far.Lists, s.Far.Rows, s.Hub.FarPackets, s.Far.Spent, s.Far.Waited,
		after.transactions-cost.transactions, after.rows-cost.rows,
		quantile(during, 0.5), quantile(before, 0.5), quantile(during, 0.9), quantile(before, 0.9))
	if s.Hub.FarFailed > 0 || s.Far.Failures+s.Far.Refused > 0 || s.Hub.FarHealed < uint64(size.clients) {
		t.Errorf("%d made up for, %d failed, %+v", s.Hub.FarHealed, s.Hub.FarFailed, s.Far)
	}
}

// manyComeBack connects all clients of the workspace; one in ten subscribes to nothing, and
// so is sent the messages of all conversations. What it returns are the conversations that
// they show.
func (w *hoursTest) manyComeBack(url string) (all []*hoursClient) {
	stored := make(map[string][]storedMessage)
	for i := range w.size.conversations {
		c := w.conversation(0, i)
		stored[c] = w.stored(c)
	}
	for i := range w.size.clients {
		away := time.Hour + time.Duration(i%600)*time.Second
		var subscribe []string
		n := i%3 + 1
		if i%10 == 0 {
			n = 0
		}
		for k := range n {
			subscribe = append(subscribe, w.conversation(0, (i+k*(1+i/w.size.conversations))%w.size.conversations))
		}
		slices.Sort(subscribe)
		subscribe = slices.Compact(subscribe)
		shows := make(map[string]*hoursClient)
		for c, want := range stored {
			if n > 0 && !slices.Contains(subscribe, c) {
				continue
			}
			shows[c] = w.shown(c, away, want)
			all = append(all, shows[c])
		}
		offset := string(hub.AppendOffset(nil, hub.Offset{Position: source.Position{Commit: 1}, Commit: w.now.Add(-away)}))
		w.connect(url, map[string]any{"token": token(w.t, w.workspace(0)), "pid": "x", "offset": offset}, subscribe, func(e sioclient.Event) {
			var p struct{ ConversationID string }
			_ = json.Unmarshal(e.Args[0], &p)
			for c, shown := range shows {
				if e.Name == "gap" || c == p.ConversationID {
					shown.receive(e)
				}
			}
		})
	}
	return all
}

// shown is what a client that has been away shows of a conversation.
func (w *hoursTest) shown(conversation string, away time.Duration, want []storedMessage) *hoursClient {
	c := &hoursClient{conversation: conversation, away: away, want: want, status: make(map[string]string)}
	for _, m := range want {
		if m.At.After(w.now.Add(-away)) {
			break
		}
		c.ids, c.status[m.ID] = append(c.ids, m.ID), "sent"
	}
	return c
}
