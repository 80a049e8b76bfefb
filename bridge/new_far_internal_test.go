package bridge

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"golang.org/x/time/rate"
)

// TestPaced: look-ups never wait, and catching up gets what they leave of the rate.
func TestPaced(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	limit := rate.NewLimiter(rate.Every(time.Hour), 3)
	clients := &restClients{lookups: &http.Client{Transport: &paced{limit: limit}}, far: &http.Client{Transport: &paced{limit: limit, waits: true}}}
	ask := func(c *http.Client) error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
		if err != nil {
			return err
		}
		res, err := c.Do(req)
		if err == nil {
			err = res.Body.Close()
		}
		return err
	}
	for i, c := range []struct {
		client *http.Client
		waits  bool
	}{{clients.far, false}, {clients.lookups, false}, {clients.lookups, false}, {clients.far, true}, {clients.lookups, false}} {
		if err := ask(c.client); (err != nil) != c.waits {
			t.Errorf("request %d: %v, waits %v", i, err, c.waits)
		}
	}
}
