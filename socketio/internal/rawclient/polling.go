package rawclient

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// Response is an HTTP response that was read.
type Response struct {
	Status int
	Body   string
	Header http.Header
}

// Do sends a request. Header is name, value, name, value...
func Do(t testing.TB, method, url, body string, header ...string) Response {
	t.Helper()
	r, err := Try(t.Context(), method, url, body, header...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return r
}

// Try is Do that may fail.
func Try(ctx context.Context, method, url, body string, header ...string) (Response, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return Response{}, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	// A connection for each request, as browsers may have it: no order between
	// requests, and a cancelled one is seen as a closed connection.
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return Response{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return Response{Status: resp.StatusCode, Body: string(b), Header: resp.Header}, err
}

// Polling is a session on the polling transport.
type Polling struct {
	t   testing.TB
	URL string // with the sid
	SID string
}

// OpenPolling does the handshake; url has no query.
func OpenPolling(t testing.TB, url string) *Polling {
	t.Helper()
	r := Do(t, "GET", url+"?EIO=4&transport=polling", "")
	sid := SID(t, r.Body)
	return &Polling{t: t, SID: sid, URL: url + "?EIO=4&transport=polling&sid=" + sid}
}

// Poll sends a GET.
func (p *Polling) Poll() Response { p.t.Helper(); return Do(p.t, "GET", p.URL, "") }

// Post sends a POST.
func (p *Polling) Post(body string) Response { p.t.Helper(); return Do(p.t, "POST", p.URL, body) }

// Want polls and fails unless the answer is this.
func (p *Polling) Want(body string) {
	p.t.Helper()
	if r := p.Poll(); r.Status != 200 || r.Body != body {
		p.t.Fatalf("polled %d %q, want 200 %q", r.Status, r.Body, body)
	}
}

// WantPost posts and fails unless the answer is "ok".
func (p *Polling) WantPost(body string) {
	p.t.Helper()
	if r := p.Post(body); r.Status != 200 || r.Body != "ok" {
		p.t.Fatalf("posted %q: %d %q, want 200 \"ok\"", body, r.Status, r.Body)
	}
}

// WantGone fails unless the session is unknown.
func (p *Polling) WantGone() {
	p.t.Helper()
	if r := p.Poll(); r.Status != 400 {
		p.t.Fatalf("polled %d %q, want 400", r.Status, r.Body)
	}
}

// SID returns the session id of an open packet.
func SID(t testing.TB, open string) string {
	t.Helper()
	var v struct{ SID string }
	if err := json.Unmarshal([]byte(strings.TrimPrefix(open, "0")), &v); err != nil || v.SID == "" {
		t.Fatalf("open packet %q: %v", open, err)
	}
	return v.SID
}
