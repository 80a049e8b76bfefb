package spool_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"chatbridge/bridge/gateway/spool"
)

// withDeadLetter runs a spool that has the webhooks w1 and w2, and the dead letter d1.
func withDeadLetter(t *testing.T) (*running, *engine) {
	e := newEngine()
	refuses := true
	e.answer = func(w *spool.Webhook, n int) answer {
		if refuses && string(w.Body) == "d1" {
			return answer{status: 422}
		}
		return answer{status: 200}
	}
	r := start(t, options(), e)
	r.keep("a", "d1")
	r.SetWell(true)
	r.await("a dead letter", e, func() bool { return r.Stats().Dead == 1 })
	r.SetWell(false)
	w := hook("a", "w1")
	w.Query = "apikey=topsecret&event=x&bare"
	w.Header = http.Header{"Authorization": {"Bearer topsecret"}, "Apikey": {"topsecret"}, "X-Hub-Signature-256": {"topsecret"}, "Content-Type": {"application/json"}}
	if err := r.Keep(w); err != nil {
		t.Fatal(err)
	}
	r.keep("b", "w2")
	e.mu.Lock()
	refuses = false
	e.mu.Unlock()
	return r, e
}

// TestOrdersOfAnOperator, through the admin listener's handler as the command sends them.
func TestOrdersOfAnOperator(t *testing.T) {
	t.Parallel()
	r, e := withDeadLetter(t)
	mux := http.NewServeMux()
	mux.Handle(spool.AdminPath, r.Admin())
	admin := httptest.NewServer(mux)
	defer admin.Close()
	ask := func(o spool.Order) spool.Answer {
		t.Helper()
		a, err := spool.Ask(t.Context(), admin.Client(), admin.URL, o)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	list := ask(spool.Order{Do: spool.DoList})
	if len(list.Entries) != 3 || list.Entries[0].Path != "/api/webhooks/whatsapp/a?apikey=***&event=***&***" || !list.Entries[2].Dead ||
		!strings.Contains(list.Entries[2].Error, "422") || list.Entries[2].Attempts != 1 {
		t.Errorf("%+v", list)
	}
	if a := ask(spool.Order{Do: spool.DoList, Dead: true}); len(a.Entries) != 1 || !a.Entries[0].Dead {
		t.Errorf("%+v", a)
	}
	if a := ask(spool.Order{Do: spool.DoList, Limit: 1}); len(a.Entries) != 1 || a.More != 2 {
		t.Errorf("%+v", a)
	}
	w1 := list.Entries[0].ID
	show := ask(spool.Order{Do: spool.DoShow, IDs: []uint64{w1}})
	text, err := json.Marshal([]spool.Answer{list, show})
	if err != nil || strings.Contains(string(text), "topsecret") || !strings.Contains(string(text), "Authorization: ***") || !strings.Contains(string(text), "Content-Type: application/json") {
		t.Errorf("%s, %v", text, err)
	}
	if show.Entries[0].Body != nil || show.Entries[0].Size != 2 {
		t.Errorf("a body that was not asked for: %+v", show)
	}
	if a := ask(spool.Order{Do: spool.DoShow, IDs: []uint64{w1}, Body: true}); string(a.Entries[0].Body) != "w1" {
		t.Errorf("%+v", a)
	}
	for _, o := range []spool.Order{
		{Do: "dance"}, {Do: spool.DoDrop}, {Do: spool.DoShow}, {Do: spool.DoShow, IDs: []uint64{99}}, {Do: spool.DoDrop, IDs: []uint64{w1, 99}},
	} {
		if a, err := spool.Ask(t.Context(), admin.Client(), admin.URL, o); err == nil || !strings.Contains(err.Error(), "400") {
			t.Errorf("%+v: %+v, %v", o, a, err)
		}
	}
	if a := ask(spool.Order{Do: spool.DoDrop, IDs: []uint64{w1}}); a.Number != 1 || r.Stats().Waiting != 1 {
		t.Errorf("dropped %+v; %+v", a, r.Stats())
	}
	if a := ask(spool.Order{Do: spool.DoReplay, Dead: true}); a.Number != 1 {
		t.Errorf("%+v", a)
	}
	r.SetWell(true)
	r.await("the dead letter goes out behind the others", e, func() bool { return e.bodies() == "d1 w2 d1" && r.Empty() })
	if s := r.Stats(); s.Dead != 0 || s.Bytes != 0 {
		t.Errorf("%+v", s)
	}
	// Nothing is told to a page, nor by GET.
	cross, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, admin.URL+spool.AdminPath, strings.NewReader(`{"do":"list"}`))
	cross.Header.Set("Origin", "https://evil.example")
	get, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, admin.URL+spool.AdminPath, nil)
	for req, want := range map[*http.Request]int{cross: http.StatusForbidden, get: http.StatusMethodNotAllowed} {
		resp, err := admin.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s %s: %d", req.Method, req.Header.Get("Origin"), resp.StatusCode)
		}
	}
	// What is wrong comes first, whoever is asked.
	const unknown = "no webhook 999999 is kept"
	if _, err := spool.Ask(t.Context(), admin.Client(), admin.URL, spool.Order{Do: spool.DoShow, IDs: []uint64{999999}}); err == nil || !strings.HasPrefix(err.Error(), unknown) {
		t.Errorf("show: %v", err)
	}
	if _, err := spool.Ask(t.Context(), admin.Client(), admin.URL+"/none", spool.Order{Do: spool.DoList}); !errors.Is(err, spool.ErrNoSpool) {
		t.Errorf("without a spool: %v", err)
	}
}

// TestOrdersWithoutADaemon: the file is read and changed where nobody has it.
func TestOrdersWithoutADaemon(t *testing.T) {
	t.Parallel()
	r, e := withDeadLetter(t)
	if _, err := spool.DoOffline(r.dir, spool.Order{Do: spool.DoList}); !errors.Is(err, spool.ErrLocked) {
		t.Errorf("while the daemon has it: %v", err)
	}
	r.end()
	list, err := spool.DoOffline(r.dir, spool.Order{Do: spool.DoList})
	if err != nil || len(list.Entries) != 3 {
		t.Fatalf("%+v, %v", list, err)
	}
	if a, err := spool.DoOffline(r.dir, spool.Order{Do: spool.DoReplay, Dead: true}); err != nil || a.Number != 1 {
		t.Errorf("%+v, %v", a, err)
	}
	if a, err := spool.DoOffline(r.dir, spool.Order{Do: spool.DoDrop, IDs: []uint64{list.Entries[1].ID}}); err != nil || a.Number != 1 {
		t.Errorf("%+v, %v", a, err)
	}
	if _, err := spool.DoOffline(t.TempDir(), spool.Order{Do: spool.DoList}); err == nil {
		t.Error("a directory without a spool")
	}
	o := options()
	o.Dir = r.dir
	r2 := start(t, o, e)
	r2.SetWell(true)
	r2.await("what is left is sent", e, func() bool { return e.bodies() == "d1 w1 d1" && r2.Empty() })
	r2.SetWell(false)
	r2.keep("a", "x")
	r2.end()
	if a, err := spool.DoOffline(r.dir, spool.Order{Do: spool.DoDrop, All: true}); err != nil || a.Number != 1 {
		t.Errorf("%+v, %v", a, err)
	}
}
