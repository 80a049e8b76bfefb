package bridge

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
)

// A reload changes the token that the admin listener asks for, sets one and takes it away.
func TestAdminTokenIsReloaded(t *testing.T) {
	t.Parallel()
	f := newFront(t, "BRIDGE_ADMIN_TOKEN=one")
	handler := f.adminHandler()
	ask := func(token string) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:9090/status", nil)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w.Code
	}
	expect := func(when string, want map[string]int) {
		t.Helper()
		for token, code := range want {
			if got := ask(token); got != code {
				t.Errorf("%s: token %q is answered %d, want %d", when, token, got, code)
			}
		}
	}
	expect("at the start", map[string]int{"one": 200, "two": 401, "": 401})
	if changed, restart := f.reloaded("BRIDGE_ADMIN_TOKEN=two"); !slices.Equal(changed, []string{"admin.token"}) || len(restart) > 0 {
		t.Errorf("changed %v, take a restart %v", changed, restart)
	}
	expect("after a reload", map[string]int{"one": 401, "two": 200, "": 401})
	f.reloaded()
	expect("after it was taken away", map[string]int{"": 200})
}
