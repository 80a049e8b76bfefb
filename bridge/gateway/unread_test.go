package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"chatbridge/internal/ports"
)

// TestBodiesThatNobodyReads: a request that was answered before its body was read does
// not break the next one of its connection.
func TestBodiesThatNobodyReads(t *testing.T) {
	t.Parallel()
	engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/early" {
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"code":1,"message":"Session ID unknown"}`)
	}))
	defer engine.Close()
	g := run(t, fast(engine.URL))
	g.awaitWell(t)
	addr, err := ports.Free()
	if err != nil {
		t.Fatal(err)
	}
	away := run(t, fast("http://"+addr))
	away.awaitAway(t)
	for url, want := range map[string]int{g.url + "/early": http.StatusRequestEntityTooLarge, away.url + "/x": http.StatusBadGateway} {
		c := client(t)
		for i := range 12 {
			// The body comes late, so that it is answered first.
			r, w := io.Pipe()
			go func() {
				_, _ = io.WriteString(w, strings.Repeat("x", 1000))
				w.Close()
			}()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, r)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := c.Do(req)
			r.Close()
			if err != nil {
				t.Fatalf("%s, request %d: %v", url, i, err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode != want {
				t.Errorf("%s: %d", url, resp.StatusCode)
			}
		}
	}
}
