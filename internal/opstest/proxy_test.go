package opstest_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"testing"

	"chatbridge/internal/postgrestdouble"
	"chatbridge/internal/realtimedouble"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
)

// forwardProxy leads all that it is asked for to one address, and notes the methods.
type forwardProxy struct {
	to  *url.URL
	mu  sync.Mutex
	did []string
}

func (p *forwardProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Host != "project.test" && r.Host != "project.test:80" {
		http.Error(w, "not the project", http.StatusBadGateway)
		return
	}
	p.mu.Lock()
	p.did = append(p.did, r.Method)
	p.mu.Unlock()
	if r.Method != http.MethodConnect {
		httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: p.to.Host}).ServeHTTP(w, r)
		return
	}
	out, err := net.Dial("tcp", p.to.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer out.Close()
	in, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer in.Close()
	_, _ = io.WriteString(in, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { _, _ = io.Copy(out, in); out.Close() }()
	_, _ = io.Copy(in, out)
}

// TestRealtimeThroughAProxy: the project is reached through the proxy that the
// environment names, its websocket and its REST interface.
func TestRealtimeThroughAProxy(t *testing.T) {
	t.Parallel()
	secret, dsn := []byte("the project's secret"), pgtest.DB(t, realtimedouble.Roles, schemas.CRM)
	rest := postgrestdouble.New(postgrestdouble.Options{Database: dsn, Secret: secret})
	t.Cleanup(rest.Close)
	project, err := realtimedouble.Start(realtimedouble.Options{Database: dsn, Secret: secret, Rest: rest})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(project.Close)
	to, err := url.Parse(project.URL())
	if err != nil {
		t.Fatal(err)
	}
	proxy := &forwardProxy{to: to}
	s := httptest.NewServer(proxy)
	t.Cleanup(s.Close)
	p := start(t, setup{args: []string{"serve"}, env: []string{
		"HTTP_PROXY=" + s.URL, "BRIDGE_SOURCE_KIND=realtime", "SUPABASE_URL=http://project.test", "SUPABASE_SERVICE_ROLE_KEY=" + project.Key(),
		"CHATENGINE_JWT_SECRET=0123456789abcdef0123456789abcdef", "BRIDGE_LISTEN=127.0.0.1:0", "BRIDGE_ADMIN_LISTEN=127.0.0.1:0",
	}})
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); <-p.done }) // before the proxy waits for its connections
	p.line("subscribed_to_changes", 2)
	proxy.mu.Lock()
	defer proxy.mu.Unlock()
	if !slices.Contains(proxy.did, http.MethodConnect) || !slices.Contains(proxy.did, http.MethodGet) {
		t.Errorf("the proxy was asked for %v, want the websocket and the REST interface", proxy.did)
	}
}
