package demo_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"chatbridge/bridge/ops"
	"chatbridge/demo"
	"chatbridge/internal/chromium"
	"chatbridge/internal/npm"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// start runs the demo until the test ends, and returns its page's address and what it
// prints.
func start(t *testing.T, rate float64) (string, *output) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out := &output{more: make(chan struct{})}
	ended := make(chan error, 1)
	go func() {
		ended <- demo.Run(ctx, demo.Options{
			Listen: "127.0.0.1:0", Rate: rate, Out: out, Program: "bridge",
			Log: slog.New(slog.DiscardHandler), Build: ops.Build{Version: "test"},
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the demo ended with %v", err)
		}
		if t.Failed() {
			t.Logf("it printed\n%s", out.text.String())
		}
	})
	return out.find(t, `(?m)^open (http://\S+)$`), out
}

// view is the demo's page in a browser.
type view struct {
	t   *testing.T
	ctx context.Context
	// problems are the page's exceptions and errors, which include what its
	// Content-Security-Policy stopped.
	problems chan string
}

func openView(t *testing.T, url string) *view {
	t.Helper()
	ctx, done := chromedp.NewContext(chromium.Need(t), chromedp.WithNewBrowserContext())
	t.Cleanup(done)
	v := &view{t: t, ctx: ctx, problems: make(chan string, 100)}
	err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			v.problem(e.ExceptionDetails.Text)
		case *log.EventEntryAdded:
			v.problem(string(e.Entry.Source) + ": " + e.Entry.Text)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	v.do(chromedp.Navigate(url))
	v.await("it is connected and has read the tables", `document.querySelector('#line').textContent === 'connected' && /^\d+$/.test(document.querySelector('#shown').textContent)`)
	return v
}

func (v *view) problem(text string) {
	select {
	case v.problems <- text:
	default:
	}
}

func (v *view) do(action chromedp.Action[chromedp.Void]) {
	v.t.Helper()
	if err := chromedp.Do(v.ctx, action); err != nil {
		v.t.Fatalf("steer the browser: %v", err)
	}
}

// await waits until an expression of the page is true. It is evaluated as from the console:
// the page's policy does not admit code that is made of text.
func (v *view) await(what, expression string) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.ctx, npm.AwaitTimeout)
	defer cancel()
	poll := `new Promise(done => { const look = () => { (` + expression + `) ? done(true) : setTimeout(look, 30) }; look() })`
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](poll, chromedp.EvalAwaitPromise)); err != nil {
		text, _ := chromedp.Run(v.ctx, chromedp.Evaluate[string](`document.body.innerText`))
		v.t.Fatalf("await that %s: %v; the page shows\n%s", what, err, text)
	}
}

// press presses a button as soon as it may be.
func (v *view) press(id string) {
	v.t.Helper()
	v.do(chromedp.WaitEnabled("#" + id))
	v.do(chromedp.Click("#" + id))
}

// awaitLine waits for the nth line that says something.
func (v *view) awaitLine(n int, text string) {
	v.t.Helper()
	v.await(fmt.Sprintf("%d lines say %s", n, text), fmt.Sprintf(`[...document.querySelectorAll('#happened li')].filter(l => l.textContent.includes('%s')).length >= %d`, text, n))
}

// awaitAll waits until the page shows n messages and the database has as many. A page never
// shows a message twice, so then it has them all.
func (v *view) awaitAll(n int) {
	v.t.Helper()
	v.await(fmt.Sprintf("it shows all of %d messages", n), fmt.Sprintf(
		`document.querySelector('#database').textContent === '%[1]d' && document.querySelector('#shown').textContent === '%[1]d' && document.querySelector('#missing').textContent === 'nothing'`, n))
}

// awaitServing waits until ChatEngine or the bridge serves, and this page is connected.
func (v *view) awaitServing(who string) {
	v.t.Helper()
	v.await(who+" serves", `document.querySelector('#serving').textContent === '`+who+`' && document.querySelector('#line').textContent === 'connected'`)
}

// quiet is a rate at which nothing is written but by the buttons while a test runs.
const quiet = 1e-6

// TestPage breaks everything that the page has a button for, with two tenants looking on.
// Nothing is missing at the end, for either.
func TestPage(t *testing.T) {
	url, _ := start(t, quiet)
	one, two := openView(t, url), openView(t, url+"?tenant=2")
	one.awaitServing("ChatEngine")
	one.press("burst")
	one.awaitAll(500)
	two.awaitAll(0)

	one.press("engine") // kills it
	one.awaitLine(1, "ChatEngine killed")
	two.press("burst") // while the lines are down
	one.awaitServing("the bridge")
	one.awaitLine(1, "line is back")
	two.awaitServing("the bridge")
	two.awaitAll(500)
	two.awaitLine(1, "caught up")

	one.press("restart")
	one.press("burst") // while Postgres is down
	one.awaitLine(1, "Postgres is back after")
	one.awaitAll(1000)

	one.press("cut")
	one.press("burst")
	one.awaitLine(2, "line is back")
	one.awaitAll(1500)

	two.press("engine") // restores it
	one.awaitServing("ChatEngine")
	one.awaitLine(3, "line is back") // it was handed back
	two.awaitLine(2, "line is back")
	one.press("burst")
	one.awaitAll(2000)
	two.awaitAll(500)
	for _, v := range []*view{one, two} {
		close(v.problems)
		for p := range v.problems {
			// What a connection that is cut or refused says is the point.
			if !strings.HasPrefix(p, "network: ") && !strings.HasPrefix(p, "javascript: WebSocket") && !strings.HasPrefix(p, "other: WebSocket") {
				t.Errorf("the page has a problem: %s", p)
			}
		}
	}
}

// TestPageShows looks at what the page makes of the generator's traffic.
func TestPageShows(t *testing.T) {
	url, _ := start(t, 60)
	v := openView(t, url)
	v.await("there are messages of both sides, with ticks, a read one and one typing", `(() => {
		const thread = document.querySelector('#thread')
		for (const b of document.querySelectorAll('#conversations button')) if (!thread.querySelector('.tick.read')) b.click()
		return thread.querySelector('li:not(.mine)') && thread.querySelector('li.mine .tick.read[aria-label=read]') && document.querySelector('#conversations .last.active')
	})()`)
	v.await("no conversation goes by its id", `[...document.querySelectorAll('#conversations .name')].length === 8 && [...document.querySelectorAll('#conversations .name')].every(n => !/^[0-9a-f]{8}$/.test(n.textContent))`)
	// Narrow as a phone, nothing sticks out to the side.
	v.do(chromedp.EmulateViewport(360, 740))
	v.await("it fits 360 pixels", `document.documentElement.scrollWidth <= 360 && window.innerWidth === 360`)
}

// TestButtonsAreForThisPage: another site's page, or a name that leads here, presses nothing
// and reads nothing. The terminal says what was done.
func TestButtonsAreForThisPage(t *testing.T) {
	tmp := privateTemp(t)
	t.Cleanup(func() { nothingLeft(t, tmp) })
	url, out := start(t, quiet)
	answer := func(method, path, host string, header map[string]string) (int, http.Header, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if host != "" {
			r.Host = host
		}
		for k, v := range header {
			r.Header.Set(k, v)
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, response.Header, string(body)
	}
	defer http.DefaultClient.CloseIdleConnections()

	_, header, index := answer("GET", "", "", nil)
	policy := header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("the page's policy is %q, its origins %q", policy, header.Get("Access-Control-Allow-Origin"))
	}
	if regexp.MustCompile(`<script>|<style|style=| on[a-z]+=`).MatchString(index) {
		t.Error("the page has an inline script or style")
	}
	control := regexp.MustCompile(`data-control="([0-9a-f]{48})"`).FindStringSubmatch(index)[1]
	ours := map[string]string{"X-Demo-Token": control}
	query := "?workspace=" + demo.Workspaces[0]
	for _, c := range []struct {
		name, method, path, host string
		header                   map[string]string
		want                     int
	}{
		{"as the page does it", "POST", "demo/do/kill" + query, "", ours, http.StatusAccepted},
		{"the state", "GET", "demo/state" + query, "", ours, http.StatusOK},
		{"the state, without the token", "GET", "demo/state" + query, "", nil, http.StatusForbidden},
		{"what there is, without the token", "GET", "demo/history" + query, "", nil, http.StatusForbidden},
		{"without the token", "POST", "demo/do/kill" + query, "", nil, http.StatusForbidden},
		{"with another token", "POST", "demo/do/kill" + query, "", map[string]string{"X-Demo-Token": strings.Repeat("0", 48)}, http.StatusForbidden},
		{"by a link", "GET", "demo/do/kill" + query, "", ours, http.StatusMethodNotAllowed},
		{"asked for by another origin", "OPTIONS", "demo/do/kill" + query, "", map[string]string{"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}, http.StatusMethodNotAllowed},
		{"the page under a foreign name", "GET", "", "evil.example:8080", nil, http.StatusForbidden},
		{"under a foreign name", "POST", "demo/do/kill" + query, "evil.example", ours, http.StatusForbidden},
		{"a button that there is not", "POST", "demo/do/format" + query, "", ours, http.StatusNotFound},
		{"another's workspace", "GET", "demo/history?workspace=x", "", ours, http.StatusBadRequest},
		{"a file that there is not", "GET", "demo/index.html", "", nil, http.StatusNotFound},
		{"localhost", "GET", "", "localhost:8080", nil, http.StatusOK},
		// The demo ends while Postgres is on its way down or up.
		{"the last button", "POST", "demo/do/restart" + query, "", ours, http.StatusAccepted},
	} {
		if got, header, _ := answer(c.method, c.path, c.host, c.header); got != c.want || header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: status %d, origins %q, want %d and none", c.name, got, header.Get("Access-Control-Allow-Origin"), c.want)
		}
	}
	out.find(t, `(?m)^\d\d:\d\d:\d\d  ChatEngine killed$`)
	out.find(t, `(?m)^\d\d:\d\d:\d\d  Postgres restarts$`)
}

// TestBundleIsNpms compares the embedded browser bundle, and its licences, with the packages
// that the tests use.
func TestBundleIsNpms(t *testing.T) {
	npm.Install(t, "testdata/npm")
	read := func(path string) []byte {
		t.Helper()
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	modules := "testdata/npm/node_modules"
	if !bytes.Equal(read("page/socket.io.min.js"), read(filepath.Join(modules, "socket.io-client/dist/socket.io.min.js"))) {
		t.Error("page/socket.io.min.js is not the one of the package: copy its dist/socket.io.min.js")
	}
	if !bytes.Contains(read("testdata/npm/package.json"), []byte(`"socket.io-client": "`+demo.ClientVersion+`"`)) {
		t.Errorf("the tests do not use socket.io-client %s", demo.ClientVersion)
	}
	licences := read("page/socket.io.LICENSE.txt")
	for _, p := range []string{"socket.io-client", "engine.io-client", "socket.io-parser", "engine.io-parser", "@socket.io/component-emitter"} {
		if !bytes.Contains(licences, read(filepath.Join(modules, p, "LICENSE"))) {
			t.Errorf("page/socket.io.LICENSE.txt lacks the licence of %s", p)
		}
	}
}
