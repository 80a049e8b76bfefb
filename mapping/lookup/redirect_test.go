package lookup_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"chatbridge/mapping/engine"
	"chatbridge/mapping/lookup"
)

// elsewhere returns the address of a server that redirects to another one, which fails the
// test when it is asked; to is the other's.
func elsewhere(t *testing.T) (address, to string) {
	t.Helper()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("the other host got the key %q", r.Header.Get("apikey"))
		fmt.Fprint(w, "[]")
	}))
	t.Cleanup(other.Close)
	moved := httptest.NewServer(http.RedirectHandler(other.URL+"/rest/v1/", http.StatusFound))
	t.Cleanup(moved.Close)
	return moved.URL, other.URL
}

// TestTheKeyGoesToNobodyElse: a redirect is an error that names the address to configure, with
// whatever client; the other host sees no key, and what it says is not taken for rows.
func TestTheKeyGoesToNobodyElse(t *testing.T) {
	t.Parallel()
	address, to := elsewhere(t)
	for name, client := range map[string]*http.Client{"none given": nil, "one given": {}} {
		l, err := lookup.NewPostgREST(address, fixed(restKey), client, spec(t, "crm", ""), waitLimit)
		if err != nil {
			t.Fatal(err)
		}
		err = l.Fetch(&engine.Need{Conversations: of(id("c1"))}, func(engine.Found) {})
		if err == nil || !strings.Contains(err.Error(), to+",") || !strings.Contains(err.Error(), "source.realtime.url") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
