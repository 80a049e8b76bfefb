package clienttest_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"chatbridge/internal/chromium"
	"chatbridge/internal/npm"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// tab is a page of the browser that runs driver.mjs, with a profile of its
// own: what node.mjs is in Node.js.
type tab struct {
	t     *testing.T
	ctx   context.Context // chromedp's handle of it; ends with the test
	lines chan json.RawMessage
}

// openTab gives a tab that takes commands.
func openTab(t *testing.T) *tab {
	t.Helper()
	ctx, done := chromedp.NewContext(chromium.Need(t), chromedp.WithNewBrowserContext())
	t.Cleanup(done)
	b := &tab{t: t, ctx: ctx, lines: make(chan json.RawMessage, 1024)}
	if err := chromedp.Listen(ctx, b.take); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	if _, err := chromedp.Call(ctx, runtime.AddBinding, runtime.AddBindingParams{Name: "reportJSON"}); err != nil {
		t.Fatalf("give the tab a function: %v", err)
	}
	b.do(chromedp.Navigate(servePage(t)))
	var ready struct{ Event string }
	line := b.NextLine()
	if err := json.Unmarshal(line, &ready); err != nil || ready.Event != "ready" {
		t.Fatalf("the page says %s, want that it is ready", line)
	}
	return b
}

// take handles the events that the browser reports of the tab, in order.
func (b *tab) take(event any) {
	switch e := event.(type) {
	case *runtime.EventBindingCalled:
		b.report(json.RawMessage(e.Payload))
	case *runtime.EventExceptionThrown:
		exception := chromedp.ExceptionError{ExceptionDetails: e.ExceptionDetails}
		line, err := json.Marshal(report{Event: "error", Message: exception.Error()})
		if err == nil {
			b.report(line)
		}
	}
}

func (b *tab) report(line json.RawMessage) {
	select {
	case b.lines <- line:
	case <-b.ctx.Done():
	}
}

// NextLine waits for the next report.
func (b *tab) NextLine() json.RawMessage {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, npm.AwaitTimeout)
	defer cancel()
	select {
	case line := <-b.lines:
		return line
	case <-ctx.Done():
		b.t.Fatalf("await a line of the browser: %v", ctx.Err())
		return nil
	}
}

// Tell sends a command to the page.
func (b *tab) Tell(command any) {
	b.t.Helper()
	line, err := json.Marshal(command)
	if err != nil {
		b.t.Fatal(err)
	}
	b.do(chromedp.Evaluate[chromedp.Void]("window.command(" + string(line) + ")"))
}

// do has the browser do something.
func (b *tab) do(action chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, action); err != nil {
		b.t.Fatalf("steer the browser: %v", err)
	}
}

// servePage serves the page that drives the client in a browser. Its origin is
// not that of the server under test, as with the CRM.
func servePage(t *testing.T) (url string) {
	t.Helper()
	files := map[string]string{
		"/":             "page.html",
		"/driver.mjs":   "driver.mjs",
		"/socket.io.js": "node_modules/client-4.8/dist/socket.io.min.js",
	}
	mux := http.NewServeMux()
	for path, file := range files {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFile(w, r, filepath.Join(packages, file))
		})
	}
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}
