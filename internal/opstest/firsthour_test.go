package opstest_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"chatbridge/bridge/auth"
	"chatbridge/internal/chromium"
	"chatbridge/internal/markdown"
	"chatbridge/internal/sioclient"

	"github.com/chromedp/chromedp"
)

// TestFirstHour runs the commands of docs/first-hour.md, all of them as they stand there,
// and looks at the page with a browser as its reader does. They install packages and
// start services: so it runs where scripts/bare-leg has made a system for it, in
// whose folder BRIDGE_TEST_FIRST_HOUR the package is.
func TestFirstHour(t *testing.T) {
	folder := os.Getenv("BRIDGE_TEST_FIRST_HOUR")
	if folder == "" {
		t.Skip("changes the machine: make bare LEGS=first runs it in a system of its own")
	}
	const limit = 5 * time.Minute
	browser := chromium.Need(t) // the reader has one
	t.Cleanup(chromium.Stop)    // no other test here has
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	began := time.Now()
	var page *tab
	for _, b := range markdown.Parse(read(t, "docs", "first-hour.md")).Blocks {
		step := time.Now()
		// To a file: what runs on in the background would hold a pipe.
		output, err := os.Create(filepath.Join(t.TempDir(), "output"))
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(ctx, "bash", "-eu", "-o", "pipefail", "-c", b.Text)
		cmd.Dir, cmd.Stdout, cmd.Stderr = folder, output, output
		err = cmd.Run()
		text, _ := os.ReadFile(output.Name())
		t.Logf("%5.1f s: %s\n%s", time.Since(step).Seconds(), b.Text, text)
		if err != nil {
			status, _ := exec.Command("systemctl", "status", "--no-pager", "-l", "bridge").CombinedOutput()
			journal, _ := exec.Command("journalctl", "--no-pager", "-n", "30").CombinedOutput()
			t.Fatalf("%v\n%s\n%s", err, status, journal)
		}
		if strings.Contains(b.Text, "bridge check") {
			if bad := regexp.MustCompile(`(?m)^(warn|fail).*$`).FindAll(text, -1); len(bad) > 0 || !bytes.Contains(text, []byte("\nok")) {
				t.Errorf("check is not all green: %s", bad)
			}
		}
		if address := regexp.MustCompile(`(?m)^http://\S+$`).Find(text); address != nil {
			page = open(t, browser, string(address))
			page.await(waitLimit, `document.getElementById('state').textContent.startsWith('Connected')`)
		}
	}
	if page == nil {
		t.Fatal("no command printed the page's address")
	}
	page.await(waitLimit, `[...document.querySelectorAll('#events li')].some(e => e.textContent.startsWith('message · The first event'))`)
	t.Logf("first event after %.1f s", time.Since(began).Seconds())
	changesASecret(ctx, t, page)
}

// changesASecret runs what docs/operations.md says of it, on the service that the first
// hour has left: the page stays connected.
func changesASecret(ctx context.Context, t *testing.T, page *tab) {
	t.Helper()
	const address, secret = "127.0.0.1:8080", "the-new-secret-of-at-least-32-bytes"
	text, err := os.ReadFile("/etc/chatbridge/chatengine_secret")
	if err != nil {
		t.Fatal(err)
	}
	old := strings.TrimSpace(string(text))
	run := func(commands string) {
		t.Helper()
		out, err := exec.CommandContext(ctx, "bash", "-eu", "-o", "pipefail", "-c", commands).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", commands, err, out)
		}
		t.Logf("%s\n%s", commands, out)
	}
	var blocks []string
	for _, b := range markdown.Parse(read(t, "docs", "operations.md")).Blocks {
		if strings.Contains(b.Text, "/etc/chatbridge/chatengine_secret") {
			blocks = append(blocks, b.Text)
		}
	}
	if len(blocks) != 2 {
		t.Fatalf("%d blocks that change the secret", len(blocks))
	}
	reloads := func() string {
		return regexp.MustCompile(`(?m)^bridge_config_reloads_total\{result="ok"\} \d+$`).FindString(get(t, "http://127.0.0.1:9090/metrics", 200))
	}
	const stays = `(window.first ??= socket.id) === socket.id && socket.connected`
	page.await(waitLimit, stays)
	for i, accepted := range []map[string]bool{{secret: true, old: true}, {secret: true, old: false}} {
		before := reloads()
		run(blocks[i])
		for deadline := time.Now().Add(waitLimit); reloads() == before; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the service did not reload")
			}
		}
		for with, want := range accepted {
			var refusal *sioclient.ConnectError
			if err := connect(t, address, with); (err == nil) != want || err != nil && (!errors.As(err, &refusal) || refusal.Code() != auth.CodeTokenSignature) {
				t.Errorf("after step %d a client with the secret %s: %v", i+1, with, err)
			}
		}
	}
	// A file without a secret is refused, and the one in use stays.
	run(`: >/etc/chatbridge/chatengine_secret; ! systemctl reload bridge; journalctl -u bridge --no-pager | grep 'is empty (file /etc/chatbridge/chatengine_secret'`)
	if err := connect(t, address, secret); err != nil {
		t.Errorf("after a reload that was refused: %v", err)
	}
	page.await(waitLimit, stays)
	t.Log("a secret was changed, and no connection ended")
}

// tab is a page in the browser.
type tab struct {
	t   *testing.T
	ctx context.Context
}

func open(t *testing.T, browser context.Context, address string) *tab {
	t.Helper()
	ctx, done := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(done)
	// What serves it has been started in the background, a moment ago.
	for deadline := time.Now().Add(waitLimit); ; time.Sleep(50 * time.Millisecond) {
		err := chromedp.Do(ctx, chromedp.Navigate(address))
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	return &tab{t, ctx}
}

// await waits until an expression is true on the page.
func (p *tab) await(limit time.Duration, expression string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, limit)
	defer cancel()
	poll := `new Promise(done => { const look = () => { (` + expression + `) ? done(true) : setTimeout(look, 30) }; look() })`
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](poll, chromedp.EvalAwaitPromise)); err != nil {
		shows, _ := chromedp.Run(p.ctx, chromedp.Evaluate[string](`document.body.innerText`))
		p.t.Fatalf("it does not come to %s: %v; the page shows\n%s", expression, err, shows)
	}
}
