package failover_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbridge/internal/chatengine"
)

// whatsapp counts what ChatEngine hands to WhatsApp, by the client's id.
type whatsapp struct {
	url string

	mu    sync.Mutex
	taken map[string]int
}

// startWhatsApp runs one until the end of the test. It takes a moment, so that ChatEngine
// dies before, while and after it has a text.
func startWhatsApp(t *testing.T) *whatsapp {
	t.Helper()
	w := &whatsapp{taken: make(map[string]int)}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var m struct{ ClientMessageID string }
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			return // ChatEngine died while it wrote
		}
		w.mu.Lock()
		w.taken[m.ClientMessageID]++
		w.mu.Unlock()
		time.Sleep(rand.N(20 * time.Millisecond)) // what it takes; nothing is awaited
	}))
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

func (w *whatsapp) count(id string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.taken[id]
}

// typed is a text that a client typed, and by which way it went.
type typed struct {
	Client           int
	ID, Content, Way string
	At               int64
	Connect          int
}

// typingEvery is how often each of three clients types a text, in ms.
const typingEvery = 60

// TestChatEngineKilledWhileSending: every text that was typed while ChatEngine is killed
// again and again has one row and one bubble that shows it as sent; or no row, and one
// bubble that shows it as failed, of those that were on their way when ChatEngine died. None
// went to WhatsApp twice.
func TestChatEngineKilledWhileSending(t *testing.T) {
	s, phone, engine := startTyping(t, "provider")
	w := &world{t: t}
	for i := range kills() {
		pause(500*time.Millisecond, 1500*time.Millisecond)
		engine.Kill()
		pause(100*time.Millisecond, 2*time.Second)
		w.restore(engine)
		if i%2 == 0 {
			w.handedBack(s.bridge)
		}
	}
	w.handedBack(s.bridge)
	s.wantEachOnce(phone)
}

// TestBothKilledWhileSending: and the bridge is killed too, before, while and after
// ChatEngine is down. What a client wrote into a connection of the bridge's that was killed,
// and of which it has heard nothing since, nobody but the client can know of: it may stand
// there as pending, without a row. Of the CRMs those since January 2026 are judged, with
// replay.message_ids as it is for them.
func TestBothKilledWhileSending(t *testing.T) {
	s, phone, engine := startTyping(t, "row")
	w := &world{t: t}
	kill := func() {
		s.bridge.Kill()
		s.noteKilled()
		pause(100*time.Millisecond, time.Second)
		s.bridge.Start()
		s.bridge.AwaitReady()
	}
	for i := range kills() {
		pause(500*time.Millisecond, 1500*time.Millisecond)
		if i%3 == 0 {
			kill()
			pause(0, time.Second)
		}
		engine.Kill()
		pause(0, time.Second)
		if i%3 == 1 {
			kill()
		}
		w.restore(engine)
		if i%3 == 2 {
			kill()
		}
		w.handedBack(s.bridge)
	}
	s.wantEachOnce(phone)
}

// connection is a client's nth.
type connection struct{ client, n int }

// noteKilled notes which connections the bridge that was just killed had.
func (s *sendingTest) noteKilled() {
	s.t.Helper()
	if s.killed == nil {
		s.killed = make(map[connection]bool)
	}
	for c := range clientCarl + 1 {
		s.clients.Tell(map[string]any{"event": "bubbles", "client": c})
		var said struct{ Connects int }
		s.clients.Await("bubbles", &said)
		s.killed[connection{c, said.Connects}] = true
	}
}

// startTyping starts a ChatEngine, the bridge in front of it, with the setting
// replay.message_ids, and the typing.
func startTyping(t *testing.T, ids string) (*sendingTest, *whatsapp, *chatengine.Server) {
	t.Helper()
	if !full() {
		t.Parallel()
	}
	s := newSending(t)
	phone := startWhatsApp(t)
	engine := chatengine.New(t, chatengine.Options{DatabaseURL: s.dsn, Secret: sessionSecret, WhatsApp: phone.url})
	settings := gatewaySettings(engine)
	settings["send.per_minute"], settings["replay.message_ids"] = "10000", ids
	s.start(settings)
	s.clients.Tell(map[string]any{"event": "type", "clients": []int{clientAna, clientBob, clientCarl}, "every": typingEvery})
	return s, phone, engine
}

func kills() int {
	if full() {
		return 10
	}
	return 3
}

// wantEachOnce stops the typing, and judges every text.
func (s *sendingTest) wantEachOnce(phone *whatsapp) {
	s.t.Helper()
	s.clients.Tell(map[string]any{"event": "stop"})
	var said struct{ Texts []typed }
	s.clients.Await("typed", &said)
	if len(said.Texts) == 0 {
		s.t.Fatal("nothing was typed")
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		report, wrong := s.judgeTexts(said.Texts, phone)
		if len(wrong) == 0 {
			s.t.Log(report)
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s\n%s", report, strings.Join(wrong[:min(len(wrong), 40)], "\n"))
		}
		time.Sleep(100 * time.Millisecond) // between two polls of another process
	}
}

func (s *sendingTest) judgeTexts(texts []typed, phone *whatsapp) (report string, wrong []string) {
	s.t.Helper()
	rows := make(map[string]int)
	all, err := s.conn.Query(s.t.Context(), "select body, count(*) from messages group by body")
	if err != nil {
		s.t.Fatal(err)
	}
	for all.Next() {
		var body string
		var n int
		if err := all.Scan(&body, &n); err != nil {
			s.t.Fatal(err)
		}
		rows[body] = n
	}
	if err := all.Err(); err != nil {
		s.t.Fatal(err)
	}
	shown := make(map[int]map[string][]bubble)
	for c := range clientCarl + 1 {
		shown[c] = make(map[string][]bubble)
		for _, b := range s.bubbles(c) {
			shown[c][b.Content] = append(shown[c][b.Content], b)
		}
	}
	calls := make(map[string]int)
	for _, c := range s.function.Calls() {
		calls[c.Body["clientMessageId"]]++
	}
	var sent, failed, unstored, function, pending, unheard int
	for _, x := range texts {
		n := rows[x.Content]
		want := "sent"
		if n == 0 {
			want = "failed"
			failed++
		} else {
			sent++
		}
		if x.Way != "socket" {
			function++
		}
		fail := func(format string, args ...any) {
			wrong = append(wrong, fmt.Sprintf("%s by %s at %d, connection %d, %d rows, %d to WhatsApp: ", x.Content, x.Way, x.At%1000000, x.Connect, n, phone.count(x.ID)+calls[x.ID])+fmt.Sprintf(format, args...))
		}
		if n > 1 {
			fail("doubled rows")
		}
		switch out := phone.count(x.ID) + calls[x.ID]; {
		case out > 1:
			fail("sent twice")
		case out < n:
			fail("a row of what was not sent")
		case out > n:
			unstored++
		}
		own := shown[x.Client][x.Content]
		if s.killed[connection{x.Client, x.Connect}] && x.Way == "socket" && n == 0 && len(own) == 1 && own[0].Status == "pending" && !own[0].Heard {
			unheard++
			failed--
			want = "pending"
		}
		if len(own) != 1 || own[0].Status != want {
			fail("its sender shows %+v, want %s", own, want)
			if len(own) == 1 && own[0].Status == "pending" {
				pending++
			}
		}
		for c := range clientCarl + 1 {
			theirs := shown[c][x.Content]
			switch {
			case c == x.Client, s.killed != nil && c == clientOld:
			case (c == clientCarl) != (x.Client == clientCarl):
				if len(theirs) > 0 {
					fail("shown in another workspace")
				}
			case len(theirs) > 1 || len(theirs) == 1 && theirs[0].Status != want || n == 1 && len(theirs) == 0:
				fail("client %d shows %+v, want %s", c, theirs, want)
			}
		}
	}
	return fmt.Sprintf("%d texts, %d by the CRM's own call: %d sent, %d shown as failed, %d of them had gone to WhatsApp; %d not heard of; %d wrongly pending; %d rows, %d faults",
		len(texts), function, sent, failed, unstored, unheard, pending, len(rows), len(wrong)), wrong
}
