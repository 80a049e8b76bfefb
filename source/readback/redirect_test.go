package readback_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"chatbridge/source/readback"
)

// TestTheKeyGoesToNobodyElse: a redirect is an error that names the address to configure; the
// other host sees no key, and what it says is not taken for the table.
func TestTheKeyGoesToNobodyElse(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("the other host got the key %q", r.Header.Get("apikey"))
		fmt.Fprint(w, "[]")
	}))
	defer other.Close()
	moved := httptest.NewServer(http.RedirectHandler(other.URL+"/rest/v1/", http.StatusFound))
	defer moved.Close()
	for name, client := range map[string]*http.Client{"its own": nil, "another's": moved.Client()} {
		r, err := readback.NewPostgREST(readback.PostgRESTOptions{URL: moved.URL, Client: client, Key: func(context.Context) (string, error) { return "sb_secret_x", nil }})
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Scan(t.Context(), readback.ScanRequest{Table: readback.Table{Schema: "public", Name: "single", Key: []string{"id"}}, By: "created_at", Since: time.Now(), Limit: 1})
		var e *readback.Error
		if !errors.As(err, &e) || !e.Permanent || !strings.Contains(e.Hint, "source.realtime.url") || !strings.Contains(e.Error(), other.URL) {
			t.Errorf("%s: %v", name, err)
		}
		_ = r.Close()
	}
}
