package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbridge/bridge/gateway"
	"chatbridge/bridge/gateway/spool"
	"chatbridge/internal/ports"
)

const hookPath = "/api/webhooks/whatsapp"

// receiver is a ChatEngine that takes webhooks, and can be away.
type receiver struct {
	t    *testing.T
	addr string

	mu     sync.Mutex
	server *httptest.Server // nil while it is away
	got    []received
	// answer, where not nil, answers in place of a 200.
	answer http.HandlerFunc
}

// received is one request as it came.
type received struct {
	target, method, body string
	header               http.Header
}

// newReceiver returns one that is away.
func newReceiver(t *testing.T) *receiver {
	addr, err := ports.Free() // the probes try it while nobody listens
	if err != nil {
		t.Fatal(err)
	}
	e := &receiver{t: t, addr: addr}
	t.Cleanup(e.leave)
	return e
}

// come makes it listen.
func (e *receiver) come() {
	e.t.Helper()
	ln, err := net.Listen("tcp", e.addr)
	if err != nil {
		e.t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(e)
	s.Listener.Close()
	s.Listener = ln
	s.Start()
	e.mu.Lock()
	e.server = s
	e.mu.Unlock()
}

// leave ends it.
func (e *receiver) leave() {
	e.mu.Lock()
	s := e.server
	e.server = nil
	e.mu.Unlock()
	if s != nil {
		s.CloseClientConnections()
		s.Close()
	}
}

func (e *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("EIO") != "" { // the gateway's probes, and its trial websockets on a machine that is busy
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"code":1,"message":"Session ID unknown"}`)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	e.mu.Lock()
	e.got = append(e.got, received{r.RequestURI, r.Method, string(body), r.Header.Clone()})
	answer := e.answer
	e.mu.Unlock()
	if answer != nil {
		answer(w, r)
	}
}

// set replaces the answer.
func (e *receiver) set(answer http.HandlerFunc) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answer = answer
}

func (e *receiver) received() []received {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]received(nil), e.got...)
}

func (e *receiver) bodies() string {
	var all []string
	for _, r := range e.received() {
		all = append(all, r.body)
	}
	return strings.Join(all, " ")
}

// keeping returns options of a gateway that keeps webhooks, for an upstream that may be
// away.
func keeping(t *testing.T, e *receiver, change func(*spool.Options)) gateway.Options {
	t.Helper()
	so := spool.DefaultOptions()
	so.Dir, so.Rate = filepath.Join(t.TempDir(), "spool"), 0
	if change != nil {
		change(&so)
	}
	s, err := spool.New(so)
	if err != nil {
		t.Fatal(err)
	}
	o := fast("http://" + e.addr)
	o.Webhooks = gateway.Webhooks{Spool: s, Paths: []string{hookPath}}
	return o
}

// awaitAway waits until the gateway knows that ChatEngine is down, awaitWell that it
// is not.
func (s setup) awaitAway(t *testing.T) {
	t.Helper()
	s.await(t, "ChatEngine is known to be down", func(s gateway.Status) bool { return !s.Healthy && !s.Probed.IsZero() })
}

func (s setup) awaitWell(t *testing.T) {
	t.Helper()
	s.await(t, "ChatEngine is well", func(s gateway.Status) bool { return s.Healthy })
}

// client has connections of its own, which end with the test.
func client(t *testing.T) *http.Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// post posts a webhook and returns the answer's status.
func post(t *testing.T, c *http.Client, url, body string, header http.Header) (int, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		req.Header = header
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Header
}

// TestWebhooksAreKept while ChatEngine is down, and arrive as if it had not been.
func TestWebhooksAreKept(t *testing.T) {
	t.Parallel()
	e := newReceiver(t)
	g := run(t, keeping(t, e, nil))
	g.awaitAway(t)
	c := client(t)
	header := http.Header{
		"Content-Type": {"application/json"}, "X-Hub-Signature-256": {"sha256=abc"}, "Authorization": {"Bearer x"}, "Apikey": {"k"},
		"Connection": {"X-Hop"}, "X-Hop": {"1"}, "Te": {"trailers"}, "X-Forwarded-For": {"9.9.9.9"}, "User-Agent": {""}, "X-Two": {"1", "2"},
	}
	body := "{\"instance\":\"A\",\n\t\"n\":1.0, \"e\":\"\\u00e9\xff\"}"
	if code, _ := post(t, c, g.url+hookPath+"?a=1;b=%2F&c=%20", body, header); code != http.StatusOK {
		t.Fatalf("answered %d", code)
	}
	for i := range 5 {
		if code, _ := post(t, c, g.url+hookPath, fmt.Sprint("kept", i), nil); code != http.StatusOK {
			t.Fatalf("answered %d", code)
		}
	}
	// All else is refused as ever.
	for _, target := range []string{"/api/other", hookPath + "/", hookPath + "/x"} {
		if code, _ := post(t, c, g.url+target, "x", nil); code != http.StatusBadGateway {
			t.Errorf("%s: answered %d", target, code)
		}
	}
	if resp, err := c.Get(g.url + hookPath); err != nil || resp.StatusCode != http.StatusBadGateway {
		t.Errorf("GET: %v, %v", resp, err)
	} else {
		resp.Body.Close()
	}
	e.come()
	awaitFor(t, "all arrived", func() bool { return len(e.received()) == 6 && g.Spool().Empty() })
	first := e.received()[0]
	if first.target != hookPath+"?a=1;b=%2F&c=%20" || first.method != "POST" || first.body != body {
		t.Errorf("arrived as %+v", first)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "X-Hub-Signature-256": "sha256=abc", "Authorization": "Bearer x", "Apikey": "k",
		"X-Hop": "", "Te": "", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": strings.TrimPrefix(g.url, "http://"),
		"Content-Length": fmt.Sprint(len(body)), "X-Two": "1,2", "User-Agent": "",
	} {
		if got := strings.Join(first.header.Values(name), ","); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := e.bodies(); got != body+" kept0 kept1 kept2 kept3 kept4" {
		t.Errorf("in the order %q", got)
	}
	// From now on they are passed on.
	g.awaitWell(t)
	e.set(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Of", "ChatEngine")
		w.WriteHeader(http.StatusAccepted)
	})
	if code, h := post(t, c, g.url+hookPath, "live", nil); code != http.StatusAccepted || h.Get("X-Of") != "ChatEngine" {
		t.Errorf("live: %d %v", code, h)
	}
	if s := g.Spool().Stats(); s.Kept != 6 || s.Replayed != 6 || s.Dead != 0 {
		t.Errorf("%+v", s)
	}
}

// TestWhatChatEngineFailsIsKept: whatever it does but take or refuse a webhook for good.
func TestWhatChatEngineFailsIsKept(t *testing.T) {
	t.Parallel()
	abort := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(code) }
	}
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		want   int  // the sender's answer
		kept   bool // and sent again
		n      int  // how often ChatEngine gets it
	}{
		"broken": {abort, 200, true, 2}, "500": {status(500), 200, true, 2}, "503": {status(503), 200, true, 2}, "429": {status(429), 200, true, 2},
		"408": {status(408), 200, true, 2}, "400": {status(400), 400, false, 1}, "401": {status(401), 401, false, 1}, "409": {status(409), 409, false, 1},
		"204": {status(204), 204, false, 1}, "a redirect": {status(307), 307, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newReceiver(t)
			e.come()
			g := run(t, keeping(t, e, nil))
			g.awaitWell(t)
			first := true
			e.set(func(w http.ResponseWriter, r *http.Request) {
				e.mu.Lock()
				was := first
				first = false
				e.mu.Unlock()
				if was {
					tt.answer(w, r)
				}
			})
			c := client(t)
			c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			if code, _ := post(t, c, g.url+hookPath, "w", nil); code != tt.want {
				t.Errorf("answered %d, want %d", code, tt.want)
			}
			awaitFor(t, "it is settled", func() bool { return len(e.received()) >= tt.n && g.Spool().Empty() })
			if s := g.Spool().Stats(); (s.Kept == 1) != tt.kept || len(e.received()) != tt.n {
				t.Errorf("got it %d times; %+v", len(e.received()), s)
			}
		})
	}
}

// TestASenderThatLeaves before ChatEngine has answered does not take its webhook along,
// nor one that ChatEngine hangs on.
func TestASenderThatLeaves(t *testing.T) {
	t.Parallel()
	e := newReceiver(t)
	e.come()
	g := run(t, keeping(t, e, func(o *spool.Options) { o.Timeout = 300 * time.Millisecond }))
	g.awaitWell(t)
	entered, release := make(chan struct{}, 8), make(chan struct{})
	var once sync.Once
	t.Cleanup(func() { once.Do(func() { close(release) }) })
	e.set(func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	})
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url+hookPath, strings.NewReader("left"))
	if err != nil {
		t.Fatal(err)
	}
	left := make(chan struct{})
	go func() {
		defer close(left)
		if resp, err := client(t).Do(req); err == nil {
			resp.Body.Close()
		}
	}()
	<-entered
	leave()
	<-left
	awaitFor(t, "it is kept", func() bool { return g.Spool().Stats().Kept == 1 })
	once.Do(func() { close(release) })
	awaitFor(t, "it arrives", func() bool { return g.Spool().Empty() })
}

// TestWebhooksKeepTheirOrder: what comes while others wait goes behind them, although
// ChatEngine would take it.
func TestWebhooksKeepTheirOrder(t *testing.T) {
	t.Parallel()
	e := newReceiver(t)
	o := keeping(t, e, nil)
	g := run(t, o)
	g.awaitAway(t)
	c := client(t)
	post(t, c, g.url+hookPath, "1", nil)
	hold, entered := make(chan struct{}), make(chan struct{}, 8)
	release := sync.OnceFunc(func() { close(hold) })
	t.Cleanup(release)
	c.Timeout = 10 * time.Second
	e.set(func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-hold
	})
	e.come()
	<-entered // the first is under way
	g.awaitWell(t)
	for _, body := range []string{"2", "3"} {
		if code, _ := post(t, c, g.url+hookPath, body, nil); code != http.StatusOK {
			t.Errorf("answered %d", code)
		}
	}
	if got := e.bodies(); got != "1" {
		t.Errorf("overtaken: %s", got)
	}
	release()
	awaitFor(t, "all arrived", func() bool { return g.Spool().Empty() })
	if got := e.bodies(); got != "1 2 3" {
		t.Errorf("arrived as %s", got)
	}
}

// TestPathTricksAreNotKept: the path is compared as it came. What ChatEngine may take
// for the same is passed on as ever, and refused while it is down.
func TestPathTricksAreNotKept(t *testing.T) {
	t.Parallel()
	e := newReceiver(t)
	g := run(t, keeping(t, e, nil))
	g.awaitAway(t)
	for target, want := range map[string]string{
		"/api/webhooks/../webhooks/whatsapp": "502", "/api/webhooks/../x": "502", "/api/webhooks/./whatsapp": "502", "//api/webhooks/whatsapp": "502",
		"/api/webhooks%2Fwhatsapp": "502", "/api/webhooks/%77hatsapp": "502", "/api/webhooks/whatsapp/": "502", "/api/webhooks/whatsapp/..": "502",
		"/API/webhooks/whatsapp": "502", "/api/webhooks/whatsapp;a=b": "502", "/api/webhooks/whatsapp%00": "502", "/api/webhooks\\whatsapp": "502",
		"*": "400",
		"http://evil.example/api/webhooks/../whatsapp": "502",
		// The same resource in absolute form (RFC 9112, 3.2.2), which arrives as a path.
		"http://evil.example/api/webhooks/whatsapp?q": "200",
		"/api/webhooks/whatsapp#f":                    "502",
		"/api/webhooks/whatsapp?":                     "200",
	} {
		answer := raw(t, g.url, "POST "+target+" HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx")
		if !strings.HasPrefix(answer, "HTTP/1.1 "+want) {
			t.Errorf("%s: %.40q, want %s", target, answer, want)
		}
	}
	e.come()
	awaitFor(t, "those kept arrived", func() bool { return len(e.received()) == 2 && g.Spool().Empty() })
	for _, r := range e.received() {
		if !strings.HasPrefix(r.target, hookPath) || strings.Contains(r.target, "evil") {
			t.Errorf("arrived at %s", r.target)
		}
	}
}

// TestOnlyCompleteBodiesAreKept: neither half of one, nor one that never ends, nor one
// that takes its time.
func TestOnlyCompleteBodiesAreKept(t *testing.T) {
	t.Parallel()
	e := newReceiver(t)
	g := run(t, keeping(t, e, func(o *spool.Options) { o.MaxBody, o.BodyTimeout = 1<<20, 500*time.Millisecond }))
	g.awaitAway(t)
	head := "POST " + hookPath + " HTTP/1.1\r\nHost: x\r\n"
	if answer := raw(t, g.url, head+"Content-Length: 9\r\n\r\nhalf"); !strings.HasPrefix(answer, "HTTP/1.1 408") {
		t.Errorf("slow: %.60q", answer)
	}
	if answer := raw(t, g.url, head+"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"); !strings.HasPrefix(answer, "HTTP/1.1 408") {
		t.Errorf("slow chunks: %.60q", answer)
	}
	if answer := raw(t, g.url, head+"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n"); !strings.HasPrefix(answer, "HTTP/1.1 408") {
		t.Errorf("not chunks: %.60q", answer)
	}
	if answer := raw(t, g.url, head+"Content-Length: 104857600\r\n\r\n"); !strings.HasPrefix(answer, "HTTP/1.1 503") || !strings.Contains(answer, "Retry-After: ") {
		t.Errorf("100 MB announced: %.80q", answer)
	}
	// Who sends half and goes leaves nothing.
	conn, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, head+"Content-Length: 9\r\n\r\nhalf")
	conn.Close()
	awaitFor(t, "they are counted", func() bool {
		s := g.Spool().Stats()
		return s.Refused["body"] == 4 && s.Refused["large"] == 1
	})
	if s := g.Spool().Stats(); s.Kept != 0 || !g.Spool().Empty() {
		t.Errorf("%+v", s)
	}
	// A body that does come is kept on the same gateway.
	if code, _ := post(t, client(t), g.url+hookPath, strings.Repeat("x", 1<<20), nil); code != http.StatusOK {
		t.Errorf("the largest: %d", code)
	}
}

// endless is a body of n bytes, n < 0 without an end.
type endless struct{ n int64 }

func (b *endless) Read(p []byte) (int, error) {
	if b.n == 0 {
		return 0, io.EOF
	}
	n := int64(len(p))
	if b.n > 0 {
		n = min(n, b.n)
		b.n -= n
	}
	return int(n), nil
}

// TestAHundredMegabytes pass through while ChatEngine is there, chunked or not, and are
// refused while it is not, without being read into memory.
func TestAHundredMegabytes(t *testing.T) {
	t.Parallel()
	const size = 100 << 20
	sizes := make(chan int64, 4)
	engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("sid") != "" {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"code":1,"message":"Session ID unknown"}`)
			return
		}
		n, _ := io.Copy(io.Discard, r.Body)
		sizes <- n
	}))
	defer engine.Close()
	e := &receiver{t: t, addr: strings.TrimPrefix(engine.URL, "http://")}
	g := run(t, keeping(t, e, nil))
	g.awaitWell(t)
	c := client(t)
	for _, length := range []int64{size, -1} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url+hookPath, &endless{size})
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = length
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("announced as %d: answered %d", length, resp.StatusCode)
		}
		if got := <-sizes; got != size {
			t.Errorf("announced as %d: %d bytes arrived", length, got)
		}
	}
	engine.Close()
	g.awaitAway(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url+hookPath, &endless{-1})
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = -1
	resp, err := c.Do(req)
	if err != nil {
		t.Log("the connection was closed first:", err) // it may be, as the body has no end
	} else {
		resp.Body.Close()
		if resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("one without an end: %d", resp.StatusCode)
		}
	}
	if s := g.Spool().Stats(); s.Refused["large"] != 1 || s.Bytes != 0 {
		t.Errorf("%+v", s)
	}
}

// TestAFullSpool, and one that cannot be written, tell the sender to come again.
func TestAFullSpool(t *testing.T) {
	t.Parallel()
	e := newReceiver(t)
	g := run(t, keeping(t, e, func(o *spool.Options) { o.MaxBytes, o.MaxBody = 4<<10, 2<<10 }))
	g.awaitAway(t)
	c := client(t)
	codes := map[int]int{}
	for range 10 {
		code, h := post(t, c, g.url+hookPath, strings.Repeat("x", 1000), nil)
		codes[code]++
		if code == http.StatusServiceUnavailable && h.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	if codes[200] != 2 || codes[503] != 8 || g.Spool().Stats().Refused["full"] != 8 {
		t.Errorf("answered %v; %+v", codes, g.Spool().Stats())
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	g = run(t, keeping(t, e, func(o *spool.Options) { o.Dir = file }))
	g.awaitAway(t)
	if code, h := post(t, c, g.url+hookPath, "x", nil); code != http.StatusServiceUnavailable || h.Get("Retry-After") == "" || g.Spool().Stats().Refused["disk"] != 1 {
		t.Errorf("without a disk: %d %v", code, h)
	}
	// It is passed on all the same while ChatEngine is there.
	e.come()
	g.awaitWell(t)
	if code, _ := post(t, c, g.url+hookPath, "x", nil); code != http.StatusOK {
		t.Errorf("without a disk, with ChatEngine: %d", code)
	}
}

// TestWhoseWebhooksAreKept: with a list of addresses, nobody else can fill the disk.
func TestWhoseWebhooksAreKept(t *testing.T) {
	t.Parallel()
	e := newReceiver(t)
	o := keeping(t, e, nil)
	o.Webhooks.Admit = func(r *http.Request) bool { return r.Header.Get("X-Provider") != "" }
	g := run(t, o)
	g.awaitAway(t)
	c := client(t)
	for range 3 {
		if code, _ := post(t, c, g.url+hookPath, "x", nil); code != http.StatusBadGateway {
			t.Errorf("a stranger's: %d", code)
		}
	}
	if code, _ := post(t, c, g.url+hookPath, "x", http.Header{"X-Provider": {"1"}}); code != http.StatusOK {
		t.Errorf("the provider's: %d", code)
	}
}

// TestAWebhookEndsWithAnEnding: at the bridge's end, what ChatEngine hangs on is kept.
func TestAWebhookEndsWithAnEnding(t *testing.T) {
	t.Parallel()
	e := newReceiver(t)
	e.come()
	entered, hold := make(chan struct{}, 1), make(chan struct{})
	t.Cleanup(func() { close(hold) })
	e.set(func(http.ResponseWriter, *http.Request) { entered <- struct{}{}; <-hold })
	g := run(t, keeping(t, e, nil))
	g.awaitWell(t)
	codes := make(chan int, 1)
	go func() {
		code, _ := post(t, client(t), g.url+hookPath, "x", nil)
		codes <- code
	}()
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := g.Shutdown(ctx, 1, time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if code := <-codes; code != http.StatusOK || g.Spool().Stats().Kept != 1 {
		t.Errorf("answered %d; %+v", code, g.Spool().Stats())
	}
}

// TestWebhooksOfAHeldGateway: who holds it to ChatEngine, because the probe is wrong, has
// webhooks passed on too, and those sent that were kept before.
func TestWebhooksOfAHeldGateway(t *testing.T) {
	t.Parallel()
	e := newReceiver(t)
	e.come()
	o := keeping(t, e, nil)
	o.HealthPath = "/fails"
	e.set(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/fails" {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	g := run(t, o)
	g.awaitAway(t)
	c := client(t)
	post(t, c, g.url+hookPath, "kept", nil)
	if s := g.Spool().Stats(); s.Kept != 1 || s.Waiting != 1 {
		t.Errorf("%+v", s)
	}
	if err := g.Hold(gateway.HoldUpstream); err != nil {
		t.Fatal(err)
	}
	awaitFor(t, "it is sent", func() bool { return g.Spool().Empty() })
	post(t, c, g.url+hookPath, "live", nil)
	if s := g.Spool().Stats(); s.Kept != 1 || s.Replayed != 1 {
		t.Errorf("%+v", s)
	}
}
