package console

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chatbridge/bridge/api"
	"chatbridge/bridge/ops"
	"chatbridge/docs"
	"chatbridge/socketio/engineio"
)

// TestSignIn: who has not shown the token gets the page that asks for it, and nothing of
// this bridge, without a dialog of the browser's.
func TestSignIn(t *testing.T) {
	t.Parallel()
	h := SignIn()
	for request, want := range map[string]int{
		"GET /": 401, "GET /console/state": 401, "GET /console/people": 401, "GET /console/history": 401, "POST /console/close": 401, "POST /": 401,
		"GET /console/nowhere": 401, "GET /console/app.js": 200, "GET /console/dom.js": 200, "GET /console/charts.js": 200, "GET /console/style.css": 200,
	} {
		method, path, _ := strings.Cut(request, " ")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, nil))
		challenge := w.Header().Get("WWW-Authenticate")
		if w.Code != want || strings.HasPrefix(challenge, "Bearer") != (want == 401) {
			t.Errorf("%s: %d, challenge %q", request, w.Code, challenge)
		}
		if page := request == "GET /"; page != strings.Contains(w.Body.String(), `id="signin"`) {
			t.Errorf("%s: %s", request, w.Body)
		}
		if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: the policy is %q", request, policy)
		}
	}
}

// ordersTest is a Console whose orders are counted.
type ordersTest struct {
	c      *Console
	closed []string
	checks int
}

func newOrdersTest() *ordersTest {
	o := &ordersTest{}
	o.c = New(Options{
		Snapshot: func() ops.Snapshot { return flowing(time.Now()) }, Docs: docs.Files,
		Clients: func() []api.ClientInfo { return nil },
		Close: func(id string) bool {
			if id != "known" {
				return false
			}
			o.closed = append(o.closed, id)
			return true
		},
		Check: func(ctx context.Context) []Finding {
			o.checks++
			select {
			case <-time.After(3 * time.Second):
			case <-ctx.Done():
			}
			return []Finding{{ID: "slot.lag", Level: "warn", What: "late"}}
		},
	})
	return o
}

func (o *ordersTest) post(t *testing.T, may May, path, body string, headers ...string) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1:9090"+path, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	o.c.Handler(may).ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// TestOrdersComeFromThePage alone: no other origin, nobody who could not read it, nobody
// where nothing may be changed.
func TestOrdersComeFromThePage(t *testing.T) {
	t.Parallel()
	o := newOrdersTest()
	const known = `{"id":"known"}`
	order := []string{OrderHeader, o.c.order}
	for name, tt := range map[string]struct {
		may     May
		path    string
		body    string
		headers []string
		want    int
	}{
		"without the header":       {path: "/console/close", body: known, want: 403},
		"with another's":           {path: "/console/close", body: known, headers: []string{OrderHeader, "x"}, want: 403},
		"from another site":        {path: "/console/close", body: known, headers: append([]string{"Sec-Fetch-Site", "cross-site"}, order...), want: 403},
		"of another origin":        {path: "/console/close", body: known, headers: append([]string{"Origin", "https://evil.example"}, order...), want: 403},
		"a check without it":       {path: "/console/check", body: "{}", want: 403},
		"where nothing is changed": {may: May{Refuses: "no token"}, path: "/console/close", body: known, headers: order, want: 403},
		"of somebody who is gone":  {path: "/console/close", body: `{"id":"gone"}`, headers: order, want: 404},
		"no JSON":                  {path: "/console/close", body: "id=known", headers: order, want: 400},
		"too large":                {path: "/console/close", body: `{"id":"` + strings.Repeat("x", 2000) + `"}`, headers: order, want: 400},
	} {
		if code, body := o.post(t, tt.may, tt.path, tt.body, tt.headers...); code != tt.want {
			t.Errorf("%s: %d %s, want %d", name, code, body, tt.want)
		}
	}
	if len(o.closed) != 0 || o.checks != 0 {
		t.Fatalf("closed %q, checked %d times", o.closed, o.checks)
	}
	if code, body := o.post(t, May{}, "/console/close", known, append([]string{"Sec-Fetch-Site", "same-origin"}, order...)...); code != 200 || len(o.closed) != 1 {
		t.Errorf("the page's own: %d %s", code, body)
	}
	got := get[struct {
		Closed   int
		Order    string
		Timeline []struct{ Title string }
	}](t, o.c.Handler(May{}), "/console/state")
	if got.Closed != 1 || len(got.Timeline) != 1 || got.Order != o.c.order {
		t.Errorf("%+v", got)
	}
	if got := get[struct{ Order, Refuses string }](t, o.c.Handler(May{Refuses: "no token"}), "/console/state"); got.Order != "" || got.Refuses != "no token" {
		t.Errorf("where nothing is changed: %+v", got)
	}
	w := httptest.NewRecorder()
	o.c.Handler(May{HidesPeople: "no token"}).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/console/people", nil))
	if w.Code != http.StatusForbidden {
		t.Errorf("people where they are hidden: %d", w.Code)
	}
}

// TestChecksRunOneAtATime, and not one after the other without a pause.
func TestChecksRunOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOrdersTest()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- o.c.Run(ctx) }()
		ask := func() int {
			t.Helper()
			code, _ := o.post(t, May{}, "/console/check", "{}", OrderHeader, o.c.order)
			return code
		}
		if before := get[Checked](t, o.c.Handler(May{}), "/console/check"); before.Running || !before.Started.IsZero() || before.Findings == nil {
			t.Errorf("before the first: %+v", before)
		}
		if code := ask(); code != http.StatusOK {
			t.Fatalf("the first: %d", code)
		}
		time.Sleep(time.Second)
		if code := ask(); code != http.StatusTooManyRequests {
			t.Errorf("while one runs: %d", code)
		}
		time.Sleep(3 * time.Second)
		got := get[Checked](t, o.c.Handler(May{}), "/console/check")
		if got.Running || len(got.Findings) != 1 || got.Findings[0].Runbook != "slot" || got.Finished.Sub(got.Started) != 3*time.Second {
			t.Errorf("%+v", got)
		}
		if code := ask(); code != http.StatusTooManyRequests {
			t.Errorf("right after one: %d", code)
		}
		time.Sleep(checkPause)
		if code := ask(); code != http.StatusOK {
			t.Errorf("later: %d", code)
		}
		time.Sleep(time.Millisecond)
		cancel() // while it runs
		if err := <-done; err != nil || o.checks != 2 {
			t.Errorf("%v, %d checks", err, o.checks)
		}
	})
}

// TestPeople: the first by what is asked for, those that match, and all of them counted.
// However often somebody asks, the clients are visited once in two seconds.
func TestPeople(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		visits := 0
		begun := time.Now()
		c := New(Options{Docs: docs.Files, Clients: func() []api.ClientInfo {
			visits++
			var all []api.ClientInfo
			for i := range 300 {
				all = append(all, api.ClientInfo{
					ID: "c" + strings.Repeat("x", i), Workspace: "w" + string(rune('0'+i%3)), User: "User" + string(rune('A'+i%26)),
					Address: netip.AddrFrom4([4]byte{192, 0, 2, byte(i % 250)}), Connected: begun.Add(-time.Duration(i) * time.Second), Transport: "websocket",
					Load: engineio.Load{Sent: uint64(visits * i * 10), Bytes: 300 - i, Queued: 1},
				})
			}
			return all
		}})
		h := c.Handler(May{})
		get[People](t, h, "/console/people")
		time.Sleep(10 * time.Second)
		p := get[People](t, h, "/console/people?by=rate")
		if p.Connected != 300 || p.Matching != 300 || len(p.Clients) != maxListed || p.OfWorkspaces != 3 || len(p.Workspaces) != 3 {
			t.Fatalf("%d connected, %d match, %d listed, %d workspaces", p.Connected, p.Matching, len(p.Clients), p.OfWorkspaces)
		}
		if first := p.Clients[0]; first.Rate != 299 || first.Age != 309 || first.Address != "192.0.2.49" {
			t.Errorf("%+v", first)
		}
		if p.Workspaces[0].ID != "w2" || p.Workspaces[0].Clients != 100 {
			t.Errorf("%+v", p.Workspaces[0])
		}
		if q := get[People](t, h, "/console/people?by=queue"); q.Clients[0].QueuedBytes != 300 {
			t.Errorf("%+v", q.Clients[0])
		}
		for find, want := range map[string]int{"usera": 12, "W1": 100, "192.0.2.7": 12, "nobody": 0} {
			if q := get[People](t, h, "/console/people?by=age&find="+find); q.Matching != want || q.Connected != 300 {
				t.Errorf("%q matches %d, want %d", find, q.Matching, want)
			}
		}
		if visits != 2 {
			t.Errorf("visited %d times", visits)
		}
		time.Sleep(listingLasts + time.Second)
		if c.people.forget(time.Now()); c.people.listed != nil {
			t.Error("a listing is kept that nobody looks at")
		}
	})
}
