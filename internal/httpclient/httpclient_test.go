package httpclient_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"chatbridge/internal/httpclient"
)

// TestRedirectsAreNotFollowed: nothing of a request goes to where an answer redirects.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the other host was asked, with apikey %q", r.Header.Get("apikey"))
	}))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		moved := httptest.NewServer(http.RedirectHandler(other.URL+"/rest/v1/messages?id=secret", status))
		defer moved.Close()
		for name, c := range map[string]*http.Client{
			"new": httpclient.New(nil), "of a client": httpclient.Of(moved.Client()), "of none": httpclient.Of(nil),
		} {
			res, err := c.Do(request(t, moved.URL))
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			to := httpclient.Redirect(res)
			if to == nil || to.To != other.URL || strings.Contains(to.Error(), "secret") {
				t.Errorf("%s, %d: %v", name, status, to)
			}
		}
		library := &http.Client{Transport: &http.Transport{Proxy: httpclient.Proxy, DisableKeepAlives: true}}
		res, err := library.Do(request(t, moved.URL))
		if err == nil {
			_ = res.Body.Close()
		}
		var to *httpclient.RedirectError
		if !errors.As(err, &to) || to.To != other.URL {
			t.Errorf("a library's client, %d: %v", status, err)
		}
	}
	if r := httpclient.Redirect(&http.Response{StatusCode: http.StatusNotModified}); r != nil {
		t.Errorf("304: %v", r)
	}
}

func request(t *testing.T, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("apikey", "the service key")
	return r
}
