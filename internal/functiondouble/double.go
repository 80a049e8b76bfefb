// Package functiondouble is a stand-in for the project's Edge Function whatsapp-send in
// tests: it takes what the CRM sends to it, writes the rows that the real one writes, and
// can fail in every way that a program behind HTTP can.
//
// It is test support. Nothing that ships imports it.
package functiondouble

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Way is how the function behaves for one call.
type Way string

// The ways. Those that begin with Row write the message's rows before.
const (
	// Sends: a row that is being sent, then sent, and the answer.
	Sends Way = ""
	// Refuses with 400 and a reason, Fails with 500 and a page.
	Refuses Way = "refuses"
	Fails   Way = "fails"
	// Unauthorized is the gateway's answer to a session that has ended.
	Unauthorized Way = "unauthorized"
	// Garbage is 200 and no JSON, Twice 200 and the answer twice.
	Garbage Way = "garbage"
	Twice   Way = "twice"
	// Hangs until the caller has gone, Closes without an answer.
	Hangs     Way = "hangs"
	RowHangs  Way = "row hangs"
	Closes    Way = "closes"
	RowCloses Way = "row closes"
	// Redirects to Options.Elsewhere with 307, SeeOther with 303, which some follow by a GET.
	Redirects Way = "redirects"
	SeeOther  Way = "see other"
	// Waits until Server.Release, then Sends.
	Waits Way = "waits"
)

// Options configures a Server.
type Options struct {
	// DatabaseURL is where the rows are written; empty for none.
	DatabaseURL string
	// Choose is how the function behaves for a call; nil Sends.
	Choose func(Call) Way
	// Elsewhere is where it redirects to.
	Elsewhere string
}

// Call is what the function was called with.
type Call struct {
	Path, Authorization, APIKey string
	Body                        map[string]string
}

// Server is the function.
type Server struct {
	URL  string
	opts Options
	pool *pgxpool.Pool

	mu       sync.Mutex
	calls    []Call
	released chan struct{}
	changed  chan struct{} // closed and replaced with each call
}

// Start runs a function until the end of the test.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s := &Server{opts: o, released: make(chan struct{}), changed: make(chan struct{})}
	if o.DatabaseURL != "" {
		pool, err := pgxpool.New(t.Context(), o.DatabaseURL)
		if err != nil {
			t.Fatal(err)
		}
		s.pool = pool
		t.Cleanup(pool.Close)
	}
	server := httptest.NewServer(s)
	s.URL = server.URL
	t.Cleanup(func() {
		s.Release()
		server.CloseClientConnections()
		server.Close()
	})
	return s
}

// Calls returns the calls until now.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Of returns the calls for one message.
func (s *Server) Of(clientID string) []Call {
	return slices.DeleteFunc(s.Calls(), func(c Call) bool { return c.Body["clientMessageId"] != clientID })
}

// Await waits until there were n calls.
func (s *Server) Await(t testing.TB, n int) {
	t.Helper()
	for {
		s.mu.Lock()
		have, changed := len(s.calls), s.changed
		s.mu.Unlock()
		if have >= n {
			return
		}
		select {
		case <-changed:
		case <-t.Context().Done():
			t.Fatalf("%d calls, want %d", have, n)
		}
	}
}

// Release lets calls that wait go on, now and later.
func (s *Server) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.released:
	default:
		close(s.released)
	}
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := Call{Path: r.URL.Path, Authorization: r.Header.Get("Authorization"), APIKey: r.Header.Get("apikey")}
	text, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(text, &call.Body)
	}
	if err != nil || r.Method != http.MethodPost {
		http.Error(w, "not what the CRM sends", http.StatusTeapot)
		return
	}
	s.mu.Lock()
	s.calls = append(s.calls, call)
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()
	way := Sends
	if s.opts.Choose != nil {
		way = s.opts.Choose(call)
	}
	switch way {
	case Refuses:
		answer(w, http.StatusBadRequest, `{"ok":false,"message":"the number is not connected"}`)
	case Fails:
		answer(w, http.StatusInternalServerError, "<html>Internal Server Error</html>")
	case Unauthorized:
		answer(w, http.StatusUnauthorized, `{"code":401,"message":"Invalid JWT"}`)
	case Garbage:
		answer(w, http.StatusOK, "<html>it works</html>")
	case Redirects, SeeOther:
		w.Header().Set("Location", s.opts.Elsewhere)
		status := http.StatusTemporaryRedirect
		if way == SeeOther {
			status = http.StatusSeeOther
		}
		w.WriteHeader(status)
	case Closes:
		panic(http.ErrAbortHandler)
	case Hangs:
		<-r.Context().Done()
	default:
		s.send(w, r, call, way)
	}
}

func (s *Server) send(w http.ResponseWriter, r *http.Request, c Call, way Way) {
	ctx := context.WithoutCancel(r.Context()) // it goes on when its caller has gone
	external := "3EB0" + strings.ToUpper(strings.NewReplacer("-", "", "opt_", "").Replace(c.Body["clientMessageId"]))
	id := ""
	if s.pool != nil {
		var err error
		if id, err = s.insert(ctx, c); err != nil {
			answer(w, http.StatusInternalServerError, fmt.Sprintf(`{"ok":false,"message":%q}`, err))
			return
		}
	}
	if way == Waits {
		<-s.released
	}
	if s.pool != nil {
		if err := s.update(ctx, c, id, external); err != nil {
			answer(w, http.StatusInternalServerError, fmt.Sprintf(`{"ok":false,"message":%q}`, err))
			return
		}
	}
	text := fmt.Sprintf(`{"ok":true,"messageId":%q,"externalId":%q}`, id, external)
	switch way {
	case RowHangs:
		<-r.Context().Done()
	case RowCloses:
		panic(http.ErrAbortHandler)
	case Twice:
		answer(w, http.StatusOK, text+text)
	default:
		answer(w, http.StatusOK, text)
	}
}

// insert stores the message as one that is being sent.
func (s *Server) insert(ctx context.Context, c Call) (id string, err error) {
	err = s.pool.QueryRow(ctx, `insert into messages (workspace_id, conversation_id, body, external_id, status, is_outgoing)
		select workspace_id, id, $2, $3, 'sending', true from conversations where id = $1 returning id::text`,
		c.Body["conversationId"], c.Body["message"], c.Body["clientMessageId"]).Scan(&id)
	return id, err
}

// update stores that WhatsApp has it.
func (s *Server) update(ctx context.Context, c Call, id, external string) error {
	if _, err := s.pool.Exec(ctx, "update messages set status = 'sent', external_id = $2 where id = $1", id, external); err != nil {
		return err
	}
	_, err := s.pool.Exec(ctx, "update conversations set last_message_at = now() where id = $1", c.Body["conversationId"])
	return err
}

func answer(w http.ResponseWriter, status int, text string) {
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}
