package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chatbridge/bridge/access"
	"chatbridge/bridge/gateway"
	"chatbridge/internal/chatengine"
)

// answering answers GET, HEAD and POST of one path in ChatEngine's place.
type answering struct{ asked atomic.Int32 }

func (a *answering) Answers(r *http.Request) bool {
	return access.RawPath(r) == "/api/chat/conversations" && r.Method != http.MethodPut
}

func (a *answering) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.asked.Add(1)
	w.Header().Set("X-Served-By", "bridge")
	fmt.Fprint(w, r.Method)
}

// by asks with a token, and returns who answered and with what status.
func by(t *testing.T, method, url string, engine *chatengine.Server) (who string, status int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := engine.Token("w", "u")
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Error(err)
	}
	return res.Header.Get("X-Served-By"), res.StatusCode
}

// TestRest: ChatEngine's REST is ChatEngine's while it is up, and the bridge's while it
// is down. What the bridge has no answer for stays ChatEngine's.
func TestRest(t *testing.T) {
	t.Parallel()
	engine, standby := chatengine.New(t, chatengine.Options{}), newLocal(t)
	o, rest := standby.serve(fast(engine.URL().String())), new(answering)
	o.Rest = rest
	g := run(t, o)
	defer http.DefaultClient.CloseIdleConnections()
	const path = "/api/chat/conversations"
	wants := func(state, method, target, who string, status int) {
		t.Helper()
		if gotWho, got := by(t, method, g.url+target, engine); gotWho != who || got != status {
			t.Errorf("%s, %s %s: answered by %q with %d, want %q and %d", state, method, target, gotWho, got, who, status)
		}
	}
	g.await(t, "first probe", func(s gateway.Status) bool { return s.Healthy })
	wants("up", "GET", path, "chatengine", 200)
	if n := rest.asked.Load(); n != 0 {
		t.Errorf("the bridge was asked %d times", n)
	}
	engine.Kill()
	g.await(t, "served locally", func(s gateway.Status) bool { return s.State == gateway.Local })
	wants("down", "GET", path, "bridge", 200)
	wants("down", "HEAD", path, "bridge", 200)
	wants("down", "POST", path, "bridge", 200)
	wants("down", "PUT", path, "", 502)
	wants("down", "GET", "/api/chat/media", "", 502)
	wants("down", "GET", "/api/chat/../chat/conversations", "", 502)
	wants("down", "GET", "//api/chat/conversations", "", 502)
	wants("down", "GET", "/api/chat%2fconversations", "", 502)
	if s := g.Stats(); s.RestServed != 3 || s.RestRescued != 0 {
		t.Errorf("counted %d served, %d rescued", s.RestServed, s.RestRescued)
	}
	if err := engine.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.await(t, "handed back", func(s gateway.Status) bool { return s.State == gateway.Upstream })
	wants("up again", "GET", path, "chatengine", 200)
	if err := g.Hold(gateway.HoldLocal); err != nil {
		t.Fatal(err)
	}
	wants("held local", "GET", path, "bridge", 200)
}

// TestRestRescue: the first request after ChatEngine's death is answered by the bridge,
// if it only reads; and one that a hanging ChatEngine does not answer, when it counts as
// down. Nothing of it is taken for ChatEngine's state.
func TestRestRescue(t *testing.T) {
	t.Parallel()
	engine, standby := chatengine.New(t, chatengine.Options{}), newLocal(t)
	o, rest := standby.serve(fast(engine.URL().String())), new(answering)
	o.Interval, o.CatchUp = time.Hour, 0 // nothing but requests
	o.Rest = rest
	g := run(t, o)
	defer http.DefaultClient.CloseIdleConnections()
	g.await(t, "first probe", func(s gateway.Status) bool { return s.Healthy })
	engine.Kill()
	for method, want := range map[string]string{"GET": "bridge", "HEAD": "bridge", "POST": "", "PUT": ""} {
		if who, _ := by(t, method, g.url+"/api/chat/conversations", engine); who != want {
			t.Errorf("%s was answered by %q, want %q", method, who, want)
		}
	}
	if s := g.Stats(); s.RestRescued != 2 || s.RestServed != 0 || g.State() != gateway.Upstream {
		t.Errorf("%d rescued, %d served, state %v", s.RestRescued, s.RestServed, g.State())
	}
	if err := g.Hold(gateway.HoldUpstream); err != nil {
		t.Fatal(err)
	}
	if who, status := by(t, "GET", g.url+"/api/chat/conversations", engine); who != "" || status != 502 {
		t.Errorf("never to take over: answered by %q, %d", who, status)
	}
}

// TestRestOfAFrozenChatEngine: a request that hangs is the bridge's as soon as ChatEngine
// counts as down.
func TestRestOfAFrozenChatEngine(t *testing.T) {
	t.Parallel()
	engine, standby := chatengine.New(t, chatengine.Options{}), newLocal(t)
	o := standby.serve(impatient(fast(engine.URL().String())))
	o.Rest, o.CatchUp = new(answering), 0
	g := run(t, o)
	defer http.DefaultClient.CloseIdleConnections()
	g.await(t, "first probe", func(s gateway.Status) bool { return s.Healthy })
	if err := engine.Freeze(); err != nil {
		t.Fatal(err)
	}
	if who, status := by(t, "GET", g.url+"/api/chat/conversations", engine); who != "bridge" || status != 200 {
		t.Errorf("answered by %q, %d", who, status)
	}
	if err := engine.Thaw(); err != nil {
		t.Fatal(err)
	}
}

// TestRestBehindAProxy: a proxy's word that ChatEngine is away is as good as that it does
// not answer; an error of ChatEngine's own is its answer.
func TestRestBehindAProxy(t *testing.T) {
	t.Parallel()
	engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := http.StatusOK
		_, _ = fmt.Sscan(strings.TrimPrefix(r.URL.RawQuery, "status="), &status)
		w.Header().Set("X-Served-By", "proxy")
		w.WriteHeader(status)
		fmt.Fprint(w, strings.Repeat("x", 10_000))
	}))
	t.Cleanup(engine.Close)
	o := fast(engine.URL)
	o.Interval, o.Rest = time.Hour, new(answering)
	g := run(t, o)
	for status, want := range map[int]string{200: "proxy", 304: "proxy", 401: "proxy", 404: "proxy", 429: "proxy", 500: "proxy", 502: "bridge", 503: "bridge", 504: "bridge"} {
		res, err := http.Get(g.url + "/api/chat/conversations?status=" + fmt.Sprint(status))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if who := res.Header.Get("X-Served-By"); err != nil || who != want || want == "bridge" && string(body) != "GET" {
			t.Errorf("%d: answered by %q with %.20s, %v; want %q", status, who, body, err, want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
