package send_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"chatbridge/bridge/send"
	"chatbridge/internal/functiondouble"
	"chatbridge/mapping/contract"
)

const sessionToken = "eyJhbGciOiJIUzI1NiJ9.the-user's-own.session"

// ownConversations has those of a workspace that begin with its name.
type ownConversations struct{ away atomic.Bool }

func (o *ownConversations) Has(_ context.Context, workspace, conversation string) (bool, error) {
	if o.away.Load() {
		return false, errors.New("the database is away")
	}
	return strings.HasPrefix(conversation, workspace), nil
}

func (o *ownConversations) Payload(_ context.Context, workspace, conversation string) []byte {
	return fmt.Appendf(nil, `{"id":%q,"workspaceId":%q,"contactId":"k1","channel":"whatsapp","participants":[{"id":"k1","name":"Ana"}],"updatedAt":"2026-01-01T00:00:00.000Z"}`, conversation, workspace)
}

// screen is what clients were told, in order.
type screen struct {
	mu   sync.Mutex
	told []send.Event
}

func (s *screen) tell(ev send.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, ev)
}

// of are the events about a message: `message pending`, or `own` before what only its
// sender was told.
func (s *screen) of(id string) (out []string) {
	return s.list(func(ev send.Event) bool { return bytes.Contains(ev.Payload, []byte(`"`+id+`"`)) })
}

func (s *screen) list(which func(send.Event) bool) (out []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ev := range s.told {
		if !which(ev) {
			continue
		}
		var p struct{ Status, Code string }
		_ = json.Unmarshal(ev.Payload, &p)
		text := strings.TrimSpace(ev.Name + " " + p.Status + p.Code)
		if ev.Own {
			text = "own " + text
		}
		out = append(out, text)
	}
	return out
}

// sending is a Sender that calls a function.
type sending struct {
	*send.Sender
	t        *testing.T
	function *functiondouble.Server
	screen   *screen
	has      *ownConversations
	log      *logbook
	file     string
	stop     func()
	change   []func(*send.Options)
	url      string
}

func start(t *testing.T, choose func(functiondouble.Call) functiondouble.Way, change ...func(*send.Options)) *sending {
	t.Helper()
	s := &sending{
		t: t, function: functiondouble.Start(t, functiondouble.Options{Choose: choose}), has: new(ownConversations),
		file: filepath.Join(t.TempDir(), "sends"), change: change,
	}
	s.url = s.function.URL + "/functions/v1/whatsapp-send"
	s.begin()
	return s
}

// begin begins a process on the same file.
func (s *sending) begin() {
	s.t.Helper()
	s.screen, s.log = new(screen), new(logbook)
	body, err := send.ParseFields([]string{"conversationId=conversation", "message=content", "clientMessageId=client_id", "replyToId=reply_to"})
	if err != nil {
		s.t.Fatal(err)
	}
	way, err := send.NewFunction(send.FunctionOptions{URL: s.url, AnonKey: func() string { return "anon-key" }, Body: body})
	if err != nil {
		s.t.Fatal(err)
	}
	o := send.Options{
		Way: way, File: s.file, Emit: s.screen.tell, Conversations: s.has, Timeout: 20 * time.Second,
		Logger: slog.New(slog.NewTextHandler(s.log, nil)),
	}
	for _, change := range s.change {
		change(&o)
	}
	s.Sender = send.New(o)
	if err := s.Open(); err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Run(ctx)
	}()
	var once sync.Once
	s.stop = func() { once.Do(func() { cancel(); <-done }) }
	s.t.Cleanup(s.stop)
}

// logbook keeps what is logged.
type logbook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// text is a request of ana's in w1.
func text(id, content string) send.Request {
	return send.Request{
		Workspace: "w1", User: "ana", ID: id, Conversation: "w1-a", Content: content,
		Session: send.Session{Token: sessionToken, Expires: time.Now().Add(time.Hour)},
	}
}

func (s *sending) send(r send.Request) (send.Result, string) {
	s.t.Helper()
	result, err := s.Send(s.t.Context(), r)
	f, ok := send.AsFault(err)
	if err != nil && !ok {
		s.t.Fatal(err)
	}
	if err == nil {
		return result, ""
	}
	return result, f.Code
}

// row is what the stream tells of a message's row.
func row(id, clientID, status string) *contract.Event {
	return &contract.Event{
		Kind: contract.Message, Workspace: []byte("w1"), Conversation: []byte("w1-a"), Key: []byte(id), Status: []byte(status),
		Payload: fmt.Appendf(nil, `{"id":%q,"content":"x","metadata":{"clientMessageId":%q}}`, id, clientID),
	}
}

func wantTold(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		t.Errorf("told\n%s, want\n%s", strings.Join(got, ", "), strings.Join(want, ", "))
	}
}

// TestFunctionSends: with the sender's own session, once, in the CRM's form; the workspace
// is told at once, and of the outcome.
func TestFunctionSends(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	r := text("opt_1", "Olá")
	r.ReplyTo = "m0"
	result, code := s.send(r)
	if code != "" || result.Status != send.Sent || result.ID != "opt_1" || result.ExternalID != "3EB01" || result.CreatedAt.IsZero() {
		t.Errorf("the result is %+v, %s", result, code)
	}
	calls := s.function.Calls()
	if len(calls) != 1 || calls[0].Path != "/functions/v1/whatsapp-send" || calls[0].Authorization != "Bearer "+sessionToken || calls[0].APIKey != "anon-key" {
		t.Fatalf("called with %+v", calls)
	}
	body, err := json.Marshal(calls[0].Body)
	if err != nil || string(body) != `{"clientMessageId":"opt_1","conversationId":"w1-a","message":"Olá","replyToId":"m0"}` {
		t.Errorf("the body is %s, %v", body, err)
	}
	wantTold(t, s.screen.of("opt_1"), "message pending", "conversation", "own messageSent", "messageStatus sent")
	for _, ev := range s.screen.told {
		if ev.Name != "conversation" {
			continue
		}
		var c contract.WebSocketConversation
		if err := json.Unmarshal(ev.Payload, &c); err != nil || c.LastMessage == nil || c.LastMessage.Content != "Olá" || c.ContactID != "k1" || len(c.Participants) != 1 || c.UpdatedAt != c.LastMessage.CreatedAt {
			t.Errorf("the conversation is %s", ev.Payload)
		}
	}
	if _, code := s.send(text("", "ohne Kennung")); code != "" || !strings.HasPrefix(s.function.Calls()[1].Body["clientMessageId"], "opt_") {
		t.Errorf("without an id: %s, %v", code, s.function.Calls()[1].Body)
	}
}

// TestFunctionFails: whatever the function does, the sender is told once what became of
// its message, the function is called once, and asking again tells the same.
func TestFunctionFails(t *testing.T) {
	t.Parallel()
	for way, want := range map[functiondouble.Way]string{
		functiondouble.Refuses: send.CodeFailed, functiondouble.Fails: send.CodeUnknown, functiondouble.Garbage: send.CodeUnknown,
		functiondouble.Twice: send.CodeUnknown, functiondouble.Hangs: send.CodeUnknown, functiondouble.Closes: send.CodeUnknown,
		functiondouble.Redirects: send.CodeFailed,
	} {
		t.Run(string(way), func(t *testing.T) {
			t.Parallel()
			s := start(t, func(functiondouble.Call) functiondouble.Way { return way }, func(o *send.Options) {
				if way == functiondouble.Hangs {
					o.Timeout = 200 * time.Millisecond
				}
			})
			for range 2 {
				if result, code := s.send(text("opt_1", "Olá")); code != want || result.Status != send.Failed {
					t.Errorf("the result is %+v, %s; want %s", result, code, want)
				}
			}
			if n := len(s.function.Calls()); n != 1 {
				t.Errorf("the function was called %d times", n)
			}
			all := s.screen.list(func(send.Event) bool { return true })
			wantTold(t, all, "message pending", "conversation", "own error "+want, "messageStatus failed", "own error "+want, "own messageStatus failed")
			if _, code := s.send(text("opt_1", "another text")); code != send.CodeReused {
				t.Errorf("another text with its id was answered %q", code)
			}
			if strings.Contains(s.log.String(), "the-user's-own") || strings.Contains(s.log.String(), "Olá") {
				t.Errorf("the log has the session or the text:\n%s", s.log)
			}
		})
	}
}

// TestRefuseTellsABadRequestToo: to send it again later would not help.
func TestRefuseTellsABadRequestToo(t *testing.T) {
	t.Parallel()
	s := send.New(send.Options{})
	for content, want := range map[string]string{
		"Olá": send.CodeUnavailable, " ": send.CodeBadRequest, "a\x00": send.CodeBadRequest, strings.Repeat("x", 64<<10+1): send.CodeBadRequest,
	} {
		_, err := s.Send(t.Context(), text("opt_1", content))
		if f, ok := send.AsFault(err); !ok || f.Code != want {
			t.Errorf("%.10q: %v, want %s", content, err, want)
		}
	}
}

// TestTheSessionGoesNowhereElse: a redirect is not followed, and no proxy of the
// environment is used.
func TestTheSessionGoesNowhereElse(t *testing.T) {
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		elsewhere.Add(1)
		_, _ = w.Write([]byte(`{"ok":true}`))
	}))
	defer other.Close()
	t.Setenv("HTTP_PROXY", other.URL)
	t.Setenv("http_proxy", other.URL)
	redirecting := func(way functiondouble.Way) string {
		return functiondouble.Start(t, functiondouble.Options{
			Choose:    func(functiondouble.Call) functiondouble.Way { return way },
			Elsewhere: other.URL + "/functions/v1/whatsapp-send",
		}).URL
	}
	for name, address := range map[string]string{
		"a redirect": redirecting(functiondouble.Redirects), "a redirect to a GET": redirecting(functiondouble.SeeOther), "a proxy": "http://functions.invalid",
	} {
		way, err := send.NewFunction(send.FunctionOptions{URL: address, AnonKey: func() string { return "anon-key" }})
		if err != nil {
			t.Fatal(err)
		}
		out := way.Send(t.Context(), &send.Message{ID: "opt_1", Session: send.Session{Token: sessionToken}})
		if out.Status != send.Failed || elsewhere.Load() != 0 {
			t.Errorf("%s: %+v, and %d requests came elsewhere", name, out, elsewhere.Load())
		}
	}
	way, err := send.NewFunction(send.FunctionOptions{URL: "http://functions.invalid", Proxy: other.URL})
	if err != nil {
		t.Fatal(err)
	}
	if out := way.Send(t.Context(), &send.Message{}); out.Status != send.Sent || elsewhere.Load() != 1 {
		t.Errorf("over a proxy that is configured: %+v, %d requests", out, elsewhere.Load())
	}
}

// TestNothingBegunMayBeTriedAgain: what never left the bridge is sent when it is asked for
// once more, under the same id.
func TestNothingBegunMayBeTriedAgain(t *testing.T) {
	t.Parallel()
	unauthorized := true
	s := start(t, func(functiondouble.Call) functiondouble.Way {
		if unauthorized {
			return functiondouble.Unauthorized
		}
		return functiondouble.Sends
	})
	none, expired := text("opt_1", "Olá"), text("opt_1", "Olá")
	none.Session, expired.Session.Expires = send.Session{}, time.Now().Add(-time.Second)
	foreign := text("opt_2", "Olá")
	foreign.Conversation = "w2-a"
	for _, tt := range []struct {
		request send.Request
		want    string
	}{
		{none, send.CodeSession},
		{expired, send.CodeExpired},
		{foreign, send.CodeConversation},
		{text("opt_3", " \n"), send.CodeBadRequest},
		{text("opt_3", strings.Repeat("x", 64<<10+1)), send.CodeBadRequest},
		{text("opt_3", "O\x00lá"), send.CodeBadRequest},
		{text("opt_3\x00", "Olá"), send.CodeBadRequest},
	} {
		if _, code := s.send(tt.request); code != tt.want {
			t.Errorf("%+v was answered %q, want %q", tt.request, code, tt.want)
		}
	}
	s.has.away.Store(true)
	if _, code := s.send(text("opt_1", "Olá")); code != send.CodeUnavailable {
		t.Errorf("while nobody knows whose the conversation is: %q", code)
	}
	s.has.away.Store(false)
	if n := len(s.function.Calls()); n != 0 {
		t.Fatalf("the function was called %d times", n)
	}
	wantTold(t, s.screen.of("opt_2")[:1], "own message pending") // nobody else was told
	if _, code := s.send(text("opt_1", "Olá")); code != send.CodeExpired {
		t.Errorf("a session that the project refuses was answered %q", code)
	}
	unauthorized = false
	if _, code := s.send(text("opt_1", "Olá")); code != "" {
		t.Errorf("sent again: %q", code)
	}

	s.stop()
	s.url = "http://127.0.0.1:1/functions/v1/whatsapp-send" // nobody listens there
	s.begin()
	if _, code := s.send(text("opt_4", "Olá")); code != send.CodeUnavailable {
		t.Errorf("a function that cannot be reached: %q", code)
	}
	s.stop()
	s.url = s.function.URL
	s.begin()
	if _, code := s.send(text("opt_4", "Olá")); code != "" {
		t.Errorf("sent again: %q", code)
	}
}

// TestRepeatedRequests: while the first is on its way, and after it, also of another
// process.
func TestRepeatedRequests(t *testing.T) {
	t.Parallel()
	s := start(t, func(functiondouble.Call) functiondouble.Way { return functiondouble.Waits })
	first := s.Accept(text("opt_1", "Olá"))
	s.function.Await(t, 1)
	second := s.Accept(text("opt_1", "Olá"))
	s.function.Release()
	a, err1 := first.Wait(t.Context())
	b, err2 := second.Wait(t.Context())
	if err1 != nil || err2 != nil || a != b || a.Status != send.Sent {
		t.Errorf("%+v, %v and %+v, %v", a, err1, b, err2)
	}
	for range 2 {
		c, code := s.send(text("opt_1", "Olá"))
		if code != "" || c.Status != a.Status || c.ExternalID != a.ExternalID || !c.CreatedAt.Equal(a.CreatedAt) {
			t.Errorf("again: %+v, %s; was %+v", c, code, a)
		}
		s.stop()
		s.begin()
	}
}

// TestAnIDIsAUsersOwn: under the id of another's message, or of a row, nothing is told to
// anybody but the sender; and what was sent is not told as failed.
func TestAnIDIsAUsersOwn(t *testing.T) {
	t.Parallel()
	s := start(t, func(c functiondouble.Call) functiondouble.Way {
		switch c.Body["message"] {
		case "Olá":
			return functiondouble.Waits
		case "forged":
			return functiondouble.Refuses
		}
		return functiondouble.Sends
	})
	forge := func(id, user string) (string, []string) {
		s.screen.mu.Lock()
		s.screen.told = nil
		s.screen.mu.Unlock()
		r := text(id, "forged")
		r.User = user
		_, code := s.send(r)
		return code, s.screen.list(func(send.Event) bool { return true })
	}
	open := s.Accept(text("opt_1", "Olá"))
	s.function.Await(t, 1)
	for _, moment := range []string{"while the first is on its way", "afterwards", "in the next process"} {
		for _, user := range []string{"ana", "bob"} {
			code, told := forge("opt_1", user)
			if code != send.CodeReused || len(s.function.Calls()) != 1 {
				t.Errorf("%s %s's is answered %q, %d calls", moment, user, code, len(s.function.Calls()))
			}
			wantTold(t, told, "own error id_reused")
		}
		if s.function.Release(); moment == "afterwards" {
			s.stop()
			s.begin()
		}
		if _, err := open.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	// One that is not of the form of a client's id may be that of a row.
	code, told := forge("3e5ab1c0-0000-4000-8000-000000000001", "bob")
	if code != send.CodeFailed {
		t.Errorf("a row's: %q", code)
	}
	wantTold(t, told, "own message pending", "own conversation", "own error not_sent", "own messageStatus failed")
	if others, own := s.Failures("w1", "ana"), s.Failures("w1", "bob"); len(others) != 0 || len(own) != 1 {
		t.Errorf("who connects is told %+v, its sender %+v", others, own)
	}
	if result, code := s.send(text("opt_1", "Olá")); code != "" || result.Status != send.Sent {
		t.Errorf("the first again: %+v, %q", result, code)
	}
}

// slowWay takes a time for each message, and keeps which it was given.
type slowWay struct {
	takes time.Duration
	mu    sync.Mutex
	open  int
	sent  []string
	twice bool // two were on their way at once
}

func (w *slowWay) NeedsSession() bool                        { return false }
func (w *slowWay) Repeatable() bool                          { return true }
func (w *slowWay) Taken(context.Context, *send.Message) bool { return false }

func (w *slowWay) Send(_ context.Context, m *send.Message) send.Outcome {
	w.mu.Lock()
	w.sent = append(w.sent, m.ID)
	w.open++
	w.twice = w.twice || w.open > 1
	w.mu.Unlock()
	time.Sleep(w.takes)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open--
	return send.Outcome{Status: send.Sent}
}

// TestWhoGivesUpLetsNobodyPass: a message that has waited too long fails, and those after
// it still wait for what it waited for.
func TestWhoGivesUpLetsNobodyPass(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "sends")
	synctest.Test(t, func(t *testing.T) {
		way := &slowWay{takes: 3 * time.Second}
		s := send.New(send.Options{Way: way, File: file, Conversations: new(ownConversations), Timeout: 4 * time.Second})
		if err := s.Open(); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = s.Run(ctx)
		}()
		defer func() { stop(); <-done }()
		var all []*send.Sending
		gaveUp := 0
		for i := range 9 {
			all = append(all, s.Accept(text(fmt.Sprintf("opt_%d", i), "Olá")))
			time.Sleep(time.Second)
		}
		for _, x := range all {
			if _, err := x.Wait(t.Context()); err != nil {
				if f, ok := send.AsFault(err); !ok || f.Code != send.CodeUnavailable {
					t.Error(err)
				}
				gaveUp++
			}
		}
		if gaveUp == 0 || way.twice || !slices.IsSorted(way.sent) {
			t.Errorf("sent in the order %v, two at once: %v; %d gave up", way.sent, way.twice, gaveUp)
		}
	})
}

// TestAKilledProcessSendsNothingTwice: what it had begun is told as failed to whoever
// connects, until its row comes.
func TestAKilledProcessSendsNothingTwice(t *testing.T) {
	t.Parallel()
	s := start(t, func(c functiondouble.Call) functiondouble.Way { return functiondouble.Waits })
	killed := s.Accept(text("opt_1", "Olá"))
	s.function.Await(t, 1)
	// As if it were killed: a copy of the file as it is then.
	copied := copyFile(t, s.file)
	s.function.Release()
	if _, err := killed.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.stop()
	s.file = copied
	s.begin()
	told := s.Failures("w1", "bob")
	if len(told) != 1 || string(told[0].Payload) != `{"messageId":"opt_1","status":"failed","conversationId":"w1-a"}` {
		t.Errorf("whoever connects is told %+v", told)
	}
	if others := s.Failures("w2", "bob"); len(others) != 0 {
		t.Errorf("another workspace is told %+v", others)
	}
	if _, code := s.send(text("opt_1", "Olá")); code != send.CodeUnknown || len(s.function.Calls()) != 1 {
		t.Errorf("again: %q, %d calls", code, len(s.function.Calls()))
	}
	s.Observe(row("r1", "opt_1", "sent"))
	if told := s.Failures("w1", "bob"); len(told) != 0 {
		t.Errorf("with its row: whoever connects is told %+v", told)
	}
	s.stop() // waits until that is written down
	s.begin()
	if result, code := s.send(text("opt_1", "Olá")); code != "" || result.Status != send.Sent || result.RowID != "r1" {
		t.Errorf("with its row: %+v, %q", result, code)
	}
	if n := s.Stats().Results["again"]; n != 1 {
		t.Errorf("%d were counted", n)
	}
}

// TestAKilledProcessTellsOfWhatWaited: clients were told of a text that waited for its turn
// when the process was killed: it has failed, nothing was sent, and it may be sent again.
func TestAKilledProcessTellsOfWhatWaited(t *testing.T) {
	t.Parallel()
	s := start(t, func(c functiondouble.Call) functiondouble.Way {
		return map[string]functiondouble.Way{"one": functiondouble.Waits}[c.Body["message"]]
	})
	first, waits := s.Accept(text("opt_1", "one")), s.Accept(text("opt_2", "two"))
	s.function.Await(t, 1)
	for len(s.screen.of("opt_2")) == 0 {
		time.Sleep(time.Millisecond) // until clients are told of it
	}
	copied := copyFile(t, s.file)
	s.function.Release()
	for _, x := range []*send.Sending{first, waits} {
		if _, err := x.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.stop()
	s.file = copied
	for range 2 { // killed once more
		s.begin()
		if told := s.Failures("w1", "bob"); len(told) != 2 {
			t.Errorf("whoever connects is told %+v", told)
		}
		s.stop()
	}
	s.begin()
	if result, code := s.send(text("opt_2", "two")); code != "" || result.Status != send.Sent {
		t.Errorf("sent again: %+v, %q", result, code)
	}
	if told := s.Failures("w1", "bob"); len(told) != 1 {
		t.Errorf("sent again: whoever connects is told %+v", told)
	}
}

// TestAKilledProcessKnowsOfTheRow that it has seen, though the stream tells of it no more.
func TestAKilledProcessKnowsOfTheRow(t *testing.T) {
	t.Parallel()
	s := start(t, func(functiondouble.Call) functiondouble.Way { return functiondouble.Waits })
	killed := s.Accept(text("opt_1", "Olá"))
	s.function.Await(t, 1)
	s.Observe(row("r1", "opt_1", "sent"))
	for s.NotedRow("opt_1") == "" {
		time.Sleep(time.Millisecond) // until it is on the disk
	}
	copied := copyFile(t, s.file)
	s.function.Release()
	if _, err := killed.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.stop()
	s.file = copied
	s.begin()
	if told := s.Failures("w1", "bob"); len(told) != 0 {
		t.Errorf("whoever connects is told %+v", told)
	}
	if result, code := s.send(text("opt_1", "Olá")); code != "" || result.Status != send.Sent || result.RowID != "r1" || len(s.function.Calls()) != 1 {
		t.Errorf("again: %+v, %q, %d calls", result, code, len(s.function.Calls()))
	}
}

// TestTwoRequestsAtOnce: many of one message, from several sockets, while it comes to its
// end: it is sent once, whatever the moment.
func TestTwoRequestsAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	const messages, each = 20, 8
	var all sync.WaitGroup
	for range each {
		all.Go(func() {
			for i := range messages {
				r := text(fmt.Sprintf("opt_%d", i), "Olá")
				r.Conversation = fmt.Sprintf("w1-%d", i)
				if result, err := s.Send(t.Context(), r); err != nil || result.Status != send.Sent {
					t.Errorf("%+v, %v", result, err)
				}
			}
		})
	}
	all.Wait()
	if n := len(s.function.Calls()); n != messages {
		t.Errorf("%d messages went to the function %d times", messages, n)
	}
}

// TestItsRowTellsWhatBecameOfIt: with the row there, no answer of the function's takes a
// status back, and one that does not come is no failure.
func TestItsRowTellsWhatBecameOfIt(t *testing.T) {
	t.Parallel()
	ways := map[string]functiondouble.Way{"opt_late": functiondouble.Waits, "opt_lost": functiondouble.Hangs}
	s := start(t, func(c functiondouble.Call) functiondouble.Way { return ways[c.Body["clientMessageId"]] },
		func(o *send.Options) { o.Timeout = 2 * time.Second })
	late := s.Accept(text("opt_late", "Olá"))
	s.function.Await(t, 1)
	s.Observe(row("r1", "opt_late", "pending"))
	s.Observe(&contract.Event{Kind: contract.MessageStatus, Workspace: []byte("w1"), Key: []byte("r1"), Status: []byte("delivered")})
	s.function.Release()
	if result, err := late.Wait(t.Context()); err != nil || result.Status != send.Sent {
		t.Errorf("%+v, %v", result, err)
	}
	wantTold(t, s.screen.of("opt_late"), "message pending", "conversation", "own messageSent")

	lost := s.Accept(text("opt_lost", "Olá"))
	s.function.Await(t, 2)
	s.Observe(row("r2", "opt_lost", "sent"))
	if result, err := lost.Wait(t.Context()); err != nil || result.Status != send.Sent || result.RowID != "r2" {
		t.Errorf("%+v, %v", result, err)
	}
	wantTold(t, s.screen.of("opt_lost"), "message pending", "conversation", "own messageSent", "messageStatus sent")
	if told := s.Failures("w1", "bob"); len(told) != 0 {
		t.Errorf("whoever connects is told %+v", told)
	}
}

// TestTheOrderOfAConversation: its messages go out one after the other, as they were
// typed; another's do not wait for them.
func TestTheOrderOfAConversation(t *testing.T) {
	t.Parallel()
	s := start(t, func(c functiondouble.Call) functiondouble.Way {
		if c.Body["conversationId"] == "w1-a" {
			return functiondouble.Waits
		}
		return functiondouble.Sends
	})
	const n = 10
	var all []*send.Sending
	for i := range n {
		all = append(all, s.Accept(text(fmt.Sprintf("opt_%d", i), "Olá")))
	}
	s.function.Await(t, 1)
	other := text("opt_other", "Olá")
	other.Conversation = "w1-b"
	if _, code := s.send(other); code != "" {
		t.Errorf("another conversation's: %s", code)
	}
	if calls := s.function.Calls(); len(calls) != 2 {
		t.Errorf("%d calls while the first is on its way", len(calls))
	}
	s.function.Release()
	for _, x := range all {
		if _, err := x.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	}
	next := 0
	for _, c := range s.function.Calls() {
		if id := c.Body["clientMessageId"]; id == fmt.Sprintf("opt_%d", next) {
			next++
		} else if id != "opt_other" {
			t.Errorf("%s was sent when opt_%d was due", id, next)
		}
	}
}

// TestFloods: one user's are refused beyond its share, visibly; another's are sent; and
// nothing is kept of the refused.
func TestFloods(t *testing.T) {
	t.Parallel()
	s := start(t, nil, func(o *send.Options) { o.PerMinute = 5 })
	refused := 0
	for i := range 100 {
		r := text(fmt.Sprintf("opt_%d", i), "Olá")
		if _, code := s.send(r); code == send.CodeRate {
			refused++
			wantTold(t, s.screen.of(r.ID)[:1], "own message pending")
		} else if code != "" {
			t.Fatalf("answered %q", code)
		}
	}
	if n := len(s.function.Calls()); n+refused != 100 || n < 5 || n > 20 {
		t.Errorf("%d were sent and %d refused", n, refused)
	}
	bob := text("opt_bob", "Olá")
	bob.User = "bob"
	if _, code := s.send(bob); code != "" {
		t.Errorf("another user was answered %q", code)
	}
	if n := s.Stats().Results[send.CodeRate]; n != uint64(refused) {
		t.Errorf("%d were counted, %d refused", n, refused)
	}
}

// TestShutdownWaits for what is on its way, refuses what is new, and in the end gives up.
func TestShutdownWaits(t *testing.T) {
	t.Parallel()
	s := start(t, func(c functiondouble.Call) functiondouble.Way {
		if c.Body["clientMessageId"] == "opt_1" {
			return functiondouble.Waits
		}
		return functiondouble.Hangs
	})
	other := text("opt_2", "Olá")
	other.Conversation = "w1-b"
	first, second := s.Accept(text("opt_1", "Olá")), s.Accept(other)
	s.function.Await(t, 2)
	ending, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Shutdown(ending)
	}()
	for s.Stats().Ready {
		time.Sleep(time.Millisecond) // until Shutdown has begun
	}
	if _, code := s.send(text("opt_3", "Olá")); code != send.CodeUnavailable {
		t.Errorf("what is new was answered %q", code)
	}
	s.function.Release()
	if result, err := first.Wait(t.Context()); err != nil || result.Status != send.Sent {
		t.Errorf("what was on its way: %+v, %v", result, err)
	}
	cancel()
	<-ended
	s.stop()
	if _, err := second.Wait(t.Context()); err == nil {
		t.Error("what hangs has a result")
	}
	s.begin()
	if _, code := s.send(other); code != send.CodeUnknown {
		t.Errorf("of what hung the next process says %q", code)
	}
}

// copyFile copies a file as it is now.
func copyFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "sends")
	if err := os.WriteFile(copied, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return copied
}

// said is a row with what the CRM has typed.
func said(id, clientID, status string) *contract.Event {
	ev := row(id, clientID, status)
	ev.Payload = bytes.Replace(ev.Payload, []byte(`"x"`), []byte(`"Olá"`), 1)
	return ev
}

func statusOf(id, status string) *contract.Event {
	return &contract.Event{Kind: contract.MessageStatus, Workspace: []byte("w1"), Conversation: []byte("w1-a"), Key: []byte(id), Status: []byte(status)}
}

// TestWhatTheStreamHasToldIsNotSentAgain: another bridge has sent it, or this one before it lost
// its file, and the row does not tell the client's id any more: a repeat is told what the row tells.
func TestWhatTheStreamHasToldIsNotSentAgain(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	for id, states := range map[string][]string{
		"opt_sent": {"pending", "sent"}, "opt_read": {"sent", "read"}, "opt_failed": {"pending", "failed"}, "opt_sending": {"pending"}, "opt_sqn": {"sent", "pending"},
	} {
		if !s.Watching() {
			t.Error("what the stream tells is not looked at")
		}
		s.Observe(said("r-"+id, id, states[0]))
		for _, status := range states[1:] {
			s.Observe(statusOf("r-"+id, status))
		}
	}
	for id, want := range map[string]struct{ status, code, told string }{
		"opt_sent":    {send.Sent, "", "own messageStatus sent"},
		"opt_sqn":     {send.Sent, "", "own messageStatus sent"},
		"opt_read":    {"read", "", "own messageStatus read"},
		"opt_failed":  {send.Failed, send.CodeFailed, "own messageStatus failed"},
		"opt_sending": {send.Failed, send.CodeUnknown, "own messageStatus failed"},
	} {
		result, code := s.send(text(id, "Olá"))
		if result.Status != want.status || code != want.code || result.RowID != "r-"+id {
			t.Errorf("%s: %+v, %q", id, result, code)
		}
		wantTold(t, s.screen.of(id), want.told)
	}
	// Of a row that is another text's nothing is told.
	other, elsewhere, foreign := text("opt_sent", "Tchau"), text("opt_sent", "Olá"), text("opt_sent", "Olá")
	elsewhere.Conversation = "w1-b"
	for name, r := range map[string]send.Request{"text": other, "conversation": elsewhere} {
		if _, code := s.send(r); code != send.CodeReused {
			t.Errorf("another %s under its id: %q", name, code)
		}
	}
	if n := len(s.function.Calls()); n != 0 {
		t.Errorf("the function was called %d times", n)
	}
	foreign.Workspace, foreign.Conversation = "w2", "w2-a"
	if _, code := s.send(foreign); code != "" {
		t.Errorf("under the same id in another workspace: %q", code)
	}
	mine := said("r-7", "opt_7", "sent")
	mine.Payload = bytes.Replace(mine.Payload, []byte(`"content"`), []byte(`"senderId":"05e40000-0000-4000-8000-00000000000A","content"`), 1)
	s.Observe(mine)
	for user, want := range map[string]string{"05e40000-0000-4000-8000-00000000000a": "", "05e40000-0000-4000-8000-00000000000b": send.CodeReused} {
		r := text("opt_7", "Olá")
		r.User = user
		if _, code := s.send(r); code != want {
			t.Errorf("by the user %s: %q, want %q", user, code, want)
		}
	}
}

// TestTheAnswerDoesNotOverruleTheRow: what the row has told stands, whatever the function says
// afterwards.
func TestTheAnswerDoesNotOverruleTheRow(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		row          string
		answer       functiondouble.Way
		status, code string
		told         []string
	}{
		"sent, and a refusal":      {"sent", functiondouble.Refuses, "sent", "", []string{"message pending", "conversation", "own messageSent", "messageStatus sent"}},
		"delivered, and a refusal": {"delivered", functiondouble.Refuses, "delivered", "", []string{"message pending", "conversation"}},
		"read, and a page":         {"read", functiondouble.Fails, "read", "", []string{"message pending", "conversation"}},
		"sent, and a 401":          {"sent", functiondouble.Unauthorized, "sent", "", []string{"message pending", "conversation", "own messageSent", "messageStatus sent"}},
		"failed, and ok":           {"failed", functiondouble.Sends, "failed", send.CodeFailed, []string{"message pending", "conversation", "messageStatus failed"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s *sending
			began := make(chan struct{})
			s = start(t, func(functiondouble.Call) functiondouble.Way {
				<-began
				s.Observe(said("r1", "opt_1", "pending"))
				s.Observe(statusOf("r1", tt.row))
				return tt.answer
			})
			close(began)
			for _, again := range []bool{false, true} {
				if result, code := s.send(text("opt_1", "Olá")); result.Status != tt.status || code != tt.code {
					t.Errorf("again %v: %+v, %q", again, result, code)
				}
				if !again {
					wantTold(t, s.screen.of("opt_1"), tt.told...)
				}
			}
			if n := len(s.function.Calls()); n != 1 {
				t.Errorf("the function was called %d times", n)
			}
		})
	}
}

// TestARowThatIsBeingSentIsNoOutcome: its sender is told that nobody knows, until the row tells.
func TestARowThatIsBeingSentIsNoOutcome(t *testing.T) {
	t.Parallel()
	var s *sending
	began := make(chan struct{})
	s = start(t, func(functiondouble.Call) functiondouble.Way {
		<-began
		s.Observe(said("r1", "opt_1", "pending"))
		return functiondouble.Closes
	}, func(o *send.Options) { o.Timeout = 300 * time.Millisecond })
	close(began)
	if result, code := s.send(text("opt_1", "Olá")); code != send.CodeUnknown || result.Status != send.Failed {
		t.Errorf("%+v, %q", result, code)
	}
	wantTold(t, s.screen.of("opt_1"), "message pending", "conversation", "messageStatus failed")
	wantTold(t, s.screen.of("r1"), "messageStatus failed") // a CRM may know it by its row
	for range 2 {
		if told := s.Failures("w1", "bob"); len(told) != 2 {
			t.Errorf("whoever connects is told %+v", told)
		}
		s.stop()
		s.begin()
	}
	s.Observe(said("r1", "opt_1", "pending")) // read again after the restart
	s.Observe(statusOf("r1", "sent"))
	if told := s.Failures("w1", "bob"); len(told) != 0 {
		t.Errorf("with its row: whoever connects is told %+v", told)
	}
	s.stop() // waits until that is written down
	s.begin()
	if result, code := s.send(text("opt_1", "Olá")); code != "" || result.Status != send.Sent || len(s.function.Calls()) != 1 {
		t.Errorf("again: %+v, %q", result, code)
	}
	wantTold(t, s.screen.of("opt_1"), "own messageStatus sent")
}

// TestARowIsWaitedFor: the function goes on when its caller has gone.
func TestARowIsWaitedFor(t *testing.T) {
	t.Parallel()
	var s *sending
	began := make(chan struct{})
	s = start(t, func(functiondouble.Call) functiondouble.Way {
		<-began
		s.Observe(said("r1", "opt_1", "pending"))
		return functiondouble.Closes
	})
	close(began)
	x := s.Accept(text("opt_1", "Olá"))
	for s.NotedOutcome("opt_1") == "" {
		time.Sleep(time.Millisecond) // until the function's end is written down
	}
	s.Observe(statusOf("r1", "sent"))
	if result, err := x.Wait(t.Context()); err != nil || result.Status != send.Sent {
		t.Errorf("%+v, %v", result, err)
	}
	wantTold(t, s.screen.of("opt_1"), "message pending", "conversation", "own messageSent", "messageStatus sent")
}

// sharedClaims are those of a cluster.
type sharedClaims struct {
	mu   sync.Mutex
	of   map[string]string
	away bool
}

func (c *sharedClaims) Claim(_ context.Context, workspace, id, value string, _ time.Duration) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.away {
		return "", errors.New("Redis is away")
	}
	if c.of[workspace+id] == "" {
		c.of[workspace+id] = value
	}
	return c.of[workspace+id], nil
}

func (c *sharedClaims) Release(_ context.Context, workspace, id, value string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[workspace+id] == value {
		delete(c.of, workspace+id)
	}
	return nil
}

// TestAClaimOfAnotherBridge: what another bridge of the cluster was given is not sent, and told
// by its row, or as of unknown outcome; what never left it is sent here.
func TestAClaimOfAnotherBridge(t *testing.T) {
	t.Parallel()
	claims := &sharedClaims{of: make(map[string]string)}
	ways := map[string]functiondouble.Way{"opt_1": functiondouble.Closes, "opt_2": functiondouble.Unauthorized}
	one := start(t, func(c functiondouble.Call) functiondouble.Way { return ways[c.Body["clientMessageId"]] }, func(o *send.Options) { o.Claims = claims })
	other := start(t, nil, func(o *send.Options) { o.Claims, o.Timeout = claims, 300*time.Millisecond })
	if _, code := one.send(text("opt_1", "Olá")); code != send.CodeUnknown {
		t.Fatalf("%q", code)
	}
	if _, code := other.send(text("opt_1", "Olá")); code != send.CodeUnknown {
		t.Errorf("by another bridge: %q", code)
	}
	another, bob := text("opt_1", "Tchau"), text("opt_1", "Olá")
	bob.User = "bob"
	third := start(t, nil, func(o *send.Options) { o.Claims = claims })
	for _, r := range []send.Request{another, bob} {
		if _, code := third.send(r); code != send.CodeReused {
			t.Errorf("another text by another bridge: %q", code)
		}
	}
	waits := third.Accept(text("opt_1", "Olá"))
	for !third.Noted("opt_1") {
		time.Sleep(time.Millisecond)
	}
	third.Observe(said("r1", "opt_1", "sent"))
	if result, err := waits.Wait(t.Context()); err != nil || result.Status != send.Sent {
		t.Errorf("its row tells: %+v, %v", result, err)
	}
	if _, code := one.send(text("opt_2", "Olá")); code != send.CodeExpired {
		t.Fatalf("%q", code)
	}
	if _, code := other.send(text("opt_2", "Olá")); code != "" || len(other.function.Calls()) != 1 || len(third.function.Calls()) != 0 {
		t.Errorf("what never left: %q, %d calls", code, len(other.function.Calls()))
	}
	claims.mu.Lock()
	claims.away = true
	claims.mu.Unlock()
	if _, code := other.send(text("opt_3", "Olá")); code != "" {
		t.Errorf("while Redis is away: %q", code)
	}
}
