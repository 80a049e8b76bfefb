package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbridge/bridge/auth"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/socketio"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// buffer is a bytes.Buffer that may be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// cli runs the program in this process and returns its exit code and output.
func cli(t *testing.T, in string, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e buffer
	code = run(t.Context(), args, streams{strings.NewReader(in), &o, &e})
	return code, o.String(), e.String()
}

// clean removes the settings of the machine from the environment.
func clean(t *testing.T) {
	t.Helper()
	t.Setenv("SYSTEMD_UNIT_PATH", t.TempDir())
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, "BRIDGE_") || regexp.MustCompile(`^(DATABASE_URL|SUPABASE_.*|CHATENGINE_.*|REDIS_URL|PORT)$`).MatchString(name) {
			t.Setenv(name, "")
			os.Unsetenv(name)
		}
	}
}

func TestExitCodes(t *testing.T) {
	clean(t)
	bad := filepath.Join(t.TempDir(), "bridge.yaml")
	if err := os.WriteFile(bad, []byte("listn: :1\nauth:\n  chatengine_secret: hunter2\nreplay:\n  window: soon\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args string
		code int
		want []string
	}{
		{"", 2, nil},
		{"--help", 0, nil},
		{"help serve", 0, nil},
		{"serve --help", 0, nil},
		{"version", 0, nil},
		{"version extra", 2, []string{`unexpected argument "extra"`, "bridge version --help"}},
		{"serv", 2, []string{`there is no command "serv"`, "did you mean serve?"}},
		{"serve --listn=:1", 2, []string{"did you mean --listen?"}},
		{"serve", 2, []string{"source.postgres.url", "DATABASE_URL", "auth.chatengine_secret"}},
		{"serve --config " + bad, 2, []string{"listn (bridge.yaml:1)", `did you mean "listen"`, `replay.window = "soon" (bridge.yaml:5)`}},
		{"serve --config /does/not/exist", 2, []string{"/does/not/exist: cannot be read"}},
		{"serve --replay.window=60", 2, []string{"flag --replay.window", "lacks its unit"}},
		{"token", 2, []string{"--workspace is missing"}},
		{"token --workspace w", 2, []string{"auth.chatengine_secret", "CHATENGINE_JWT_SECRET"}},
		{"token --workspace w --ttl=-1h", 2, []string{"--ttl -1h0m0s is negative"}},
		{"token --workspace w --ttl=1d", 2, []string{"--ttl"}},
		{"tail", 2, []string{"--url and --token are needed"}},
		{"tail --url nowhere --token x", 2, []string{"--url: address"}},
		{"tail --url http://127.0.0.1:1 --token x --attempts=1", 1, []string{"connection refused", "nothing listens there"}},
		{"tail --url http://127.0.0.1:1 --token x --attempts=-1", 2, []string{"--attempts is -1: want"}},
		{"tail --url http://127.0.0.1:1 --token x --attempts=x", 2, []string{`--attempts is "x": want a whole number`}},
		{"demo --rate NaN", 2, []string{"--rate is NaN: want more than 0"}},
		{"demo --rate x", 2, []string{`--rate is "x": want a number`}},
		{"demo --for 1d", 2, []string{`--for is "1d": want a duration such as`}},
		{"demo --nodes x", 2, []string{`--nodes is "x": want a whole number`}},
		{"demo --listen abc", 2, []string{"(flag --listen): is not host:port"}},
		{"healthcheck --timeout -1s", 2, []string{`--timeout is "-1s": want a duration above 0`}},
		{"gateway status --timeout 0s", 2, []string{`--timeout is "0s": want a duration above 0`}},
		{"spool list --timeout x", 2, []string{`--timeout is "x": want a duration above 0`}},
		{"healthcheck --listen=127.0.0.1:1", 1, []string{"nothing listens at listen (flag --listen): start the daemon"}},
		{"gateway status --admin.listen=127.0.0.1:1", 1, []string{"nothing listens at admin.listen (flag --admin.listen): start the daemon"}},
		{"tail --url http://127.0.0.1:1 --token -", 1, []string{"read the token from standard input"}},
	} {
		code, _, errs := cli(t, "", strings.Fields(tt.args)...)
		if code != tt.code {
			t.Errorf("bridge %s: exit code %d, want %d: %s", tt.args, code, tt.code, errs)
		}
		for _, want := range tt.want {
			if !strings.Contains(errs, want) {
				t.Errorf("bridge %s: want %q in %s", tt.args, want, errs)
			}
		}
		if strings.Contains(errs, "hunter2") {
			t.Errorf("bridge %s shows a secret: %s", tt.args, errs)
		}
	}
}

func TestVersion(t *testing.T) {
	code, out, _ := cli(t, "", "version")
	if code != 0 || !regexp.MustCompile(`^bridge \S+ \(commit \S+, go1\.\S+, \w+/\w+\)\n$`).MatchString(out) {
		t.Errorf("%d: %q", code, out)
	}
}

func TestToken(t *testing.T) {
	clean(t)
	t.Setenv("CHATENGINE_JWT_SECRET", "first,second")
	t.Setenv("BRIDGE_AUTH_ISSUER", "chatengine")
	code, out, errs := cli(t, "", "token", "--workspace", "w1", "--user", "u1", "--ttl", "2h")
	if code != 0 {
		t.Fatal(errs)
	}
	a, err := auth.New(auth.Options{ChatEngineSecrets: []string{"first"}, Issuers: []string{"chatengine"}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := a.Authenticate(t.Context(), auth.Credentials{Token: strings.TrimSpace(out)})
	left := time.Until(p.Expires)
	if err != nil || p.Workspace != "w1" || p.User != "u1" || left < 119*time.Minute || left > 2*time.Hour {
		t.Errorf("%+v, %v", p, err)
	}
}

// server is a Socket.IO server that accepts the token "good" and sends events to
// each subscriber.
func server(t *testing.T) string {
	t.Helper()
	s := unstarted(t)
	s.Start()
	return s.URL
}

// unstarted is server before it listens.
func unstarted(t *testing.T) *httptest.Server {
	t.Helper()
	o := socketio.DefaultOptions()
	o.Path = "/api/ws"
	s, err := socketio.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ns := s.Namespace("/")
	ns.OnAuth(func(_ context.Context, h *socketio.Handshake) (any, error) {
		var a struct{ Token, WorkspaceID string }
		if err := json.Unmarshal(h.Auth, &a); err != nil || a.Token != "good" {
			return nil, &socketio.ConnectError{Message: "the token has expired", Data: map[string]string{"code": "token_expired"}}
		}
		return a.WorkspaceID, nil
	})
	ns.OnEvent(func(socket *socketio.Socket, e *socketio.Event) {
		for _, packet := range [][2]string{
			{"message", `{"id":"m1","conversationId":` + string(e.Args[0]) + `,"senderId":"5511999999999","type":"image","content":"olá\n\u001b[31mred <b>","status":"delivered","attachments":[{"url":"https://x/y.jpg"}],"createdAt":"2026-01-02T03:04:05.678Z"}`},
			{"conversation", `{"id":"c1","participants":[{"id":"1","name":"Ana"}],"lastMessage":{"content":"olá"},"updatedAt":"x"}`},
			{"messageStatus", `{"messageId":"m1","status":"read","conversationId":"c1"}`},
			{"typing", `{"conversationId":"c1","userId":"u1","isTyping":true}`},
			{"other", `{"x":1}`},
		} {
			_ = socket.Send(socketio.NewEvent("/", packet[0], []byte(packet[1])))
		}
	})
	h := httptest.NewUnstartedServer(s)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx, socketio.ShutdownOptions{Batch: 100}); err != nil {
			t.Error(err)
		}
		h.Close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
	return h
}

// tailUntil runs `bridge tail` until the output contains want, then interrupts it.
func tailUntil(t *testing.T, want string, args ...string) (code int, out, errs string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	o := &watched{want: want, seen: cancel}
	var e buffer
	code = run(ctx, append([]string{"tail"}, args...), streams{strings.NewReader("good\n"), o, &e})
	return code, o.String(), e.String()
}

// watched calls seen once want was written.
type watched struct {
	buffer
	want string
	seen func()
}

func (w *watched) Write(p []byte) (int, error) {
	n, err := w.buffer.Write(p)
	if strings.Contains(w.String(), w.want) {
		w.seen()
	}
	return n, err
}

func TestTail(t *testing.T) {
	url := server(t)
	code, out, errs := tailUntil(t, "other", "--url", url, "--token", "good", "--workspace", "w1", "--conversation", "c1")
	if code != 0 || !strings.Contains(errs, "connected") {
		t.Errorf("%d: %s", code, errs)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	want := []string{
		`  message       c1                                    5511999999999: olá ·[31mred <b> [image https://x/y.jpg] (delivered, m1)`,
		`  conversation  c1                                    Ana: olá`,
		`  messageStatus c1                                    m1 is read`,
		`  typing        c1                                    u1 is typing`,
		`  other         {"x":1}`,
	}
	for i, w := range want {
		if i >= len(lines) || len(lines[i]) < 12 || strings.ReplaceAll(lines[i][12:], "  Ana", "Ana") != strings.ReplaceAll(w, "  Ana", "Ana") {
			t.Errorf("line %d:\n%s\nwant …%s", i, lines[min(i, len(lines)-1)], w)
		}
	}
}

func TestTailJSON(t *testing.T) {
	url := server(t)
	code, out, errs := tailUntil(t, `"other"`, "--url", url, "--token", "-", "--json", "--conversation", "c9")
	if code != 0 {
		t.Errorf("%d: %s", code, errs)
	}
	var events []string
	for line := range strings.Lines(out) {
		var e struct {
			Time, Event string
			Data        struct{ ConversationID, Content string }
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if _, err := time.Parse(time.RFC3339Nano, e.Time); err != nil {
			t.Error(err)
		}
		if e.Event == "message" && (e.Data.ConversationID != "c9" || e.Data.Content != "olá\n\x1b[31mred <b>") {
			t.Errorf("%s", line)
		}
		events = append(events, e.Event)
	}
	if got := strings.Join(events, " "); got != "message conversation messageStatus typing other" {
		t.Errorf("events: %s", got)
	}
}

func TestTailRefused(t *testing.T) {
	code, _, errs := cli(t, "", "tail", "--url", server(t), "--token", "bad")
	if code != 1 || !strings.Contains(errs, "the server refuses: the token has expired (token_expired)") {
		t.Errorf("%d: %s", code, errs)
	}
}

// A closed pipe, as in `bridge tail | head -1`, is not a failure.
func TestTailClosedPipe(t *testing.T) {
	url := server(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	var e buffer
	code := run(t.Context(), []string{"tail", "--url", url, "--token", "good", "--conversation", "c1"}, streams{strings.NewReader(""), w, &e})
	if code != 0 {
		t.Errorf("%d: %s", code, e.String())
	}
}

// TestUnfitKey: a project's key with which nothing would be delivered is an error of
// the configuration, and one that the check finds.
func TestUnfitKey(t *testing.T) {
	clean(t)
	t.Setenv("BRIDGE_SOURCE_KIND", "realtime")
	t.Setenv("SUPABASE_URL", "http://127.0.0.1:1")
	t.Setenv("SUPABASE_SERVICE_ROLE_KEY", "sb_publishable_hidden")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel() // it does not start
	var serve, errs buffer
	code := run(ctx, []string{"serve"}, streams{strings.NewReader(""), &serve, &errs})
	if errs := errs.String(); code != exitUsage || !strings.Contains(errs, "SUPABASE_SERVICE_ROLE_KEY") || !strings.Contains(errs, "sb_secret_") || strings.Contains(errs, "hidden") {
		t.Errorf("serve: exit code %d: %s", code, errs)
	}
	code, out, _ := cli(t, "", "check")
	if code != exitFailed || !strings.Contains(out, "fail  config.invalid source.realtime.key") || strings.Contains(out, "hidden") {
		t.Errorf("check: exit code %d: %s", code, out)
	}
}
