package access_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"chatbridge/bridge/access"
)

func TestAnswer(t *testing.T) {
	t.Parallel()
	admitted := func(r *http.Request) bool { return r.Header.Get("Origin") == "https://crm.example" }
	for name, tt := range map[string]struct {
		method, origin, asks string
		admitted             func(*http.Request) bool
		status               int
		readable, vary       bool
	}{
		"a program":            {"GET", "", "", admitted, 502, false, false},
		"a page":               {"GET", "https://crm.example", "", admitted, 502, true, true},
		"another page":         {"GET", "https://evil.example", "", admitted, 502, false, true},
		"a preflight":          {"OPTIONS", "https://crm.example", "PATCH", admitted, 204, true, true},
		"another's preflight":  {"OPTIONS", "https://evil.example", "PATCH", admitted, 502, false, true},
		"OPTIONS of a page":    {"OPTIONS", "https://crm.example", "", admitted, 502, true, true},
		"OPTIONS of a program": {"OPTIONS", "", "PATCH", admitted, 502, false, false},
		"nobody is admitted":   {"GET", "https://crm.example", "", nil, 502, false, true},
	} {
		r := httptest.NewRequest(tt.method, "/x", nil)
		if tt.origin != "" {
			r.Header.Set("Origin", tt.origin)
		}
		if tt.asks != "" {
			r.Header.Set("Access-Control-Request-Method", tt.asks)
			r.Header.Set("Access-Control-Request-Headers", "authorization")
		}
		w := httptest.NewRecorder()
		access.Answer(w, r, tt.admitted, http.StatusBadGateway, access.Body{Message: "it <is> away", Reason: "refused"})
		h := w.Header()
		if w.Code != tt.status || (h.Get("Access-Control-Allow-Origin") != "") != tt.readable || (h.Get("Vary") != "") != tt.vary {
			t.Errorf("%s: %d %v", name, w.Code, h)
		}
		if tt.status == http.StatusNoContent {
			if h.Get("Access-Control-Allow-Headers") != "authorization" || w.Body.Len() > 0 {
				t.Errorf("%s: %v %s", name, h, w.Body)
			}
			continue
		}
		var body access.Body
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body.Message != "it <is> away" || body.Reason != "refused" || h.Get("Retry-After") != "1" {
			t.Errorf("%s: %v %s", name, h, w.Body)
		}
	}
}

func TestRawPath(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]string{
		"/": "/", "/a?b": "/a", "//a/../b%2F?c?d": "//a/../b%2F", "http://x/a%2Fb?c": "/a%2Fb", "http://x": "/", "http://x?c": "/", "*": "*",
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RequestURI = target
		if target != "*" {
			u, err := r.URL.Parse(target)
			if err != nil {
				t.Fatal(err)
			}
			r.URL = u
		} else {
			r.URL.Path = target
		}
		if got := access.RawPath(r); got != want {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
	for raw, below := range map[string]bool{
		"/api/ws": true, "/api/ws/": true, "/api/ws/x": true, "/api/ws//": true, "/api/wsx": false, "/api": false, "//api/ws": false,
		"/api%2Fws": false, "/API/ws": false, "": false,
	} {
		if got := access.Below(raw, "/api/ws"); got != below {
			t.Errorf("%q is below /api/ws: %v", raw, got)
		}
	}
}
