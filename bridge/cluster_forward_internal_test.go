package bridge

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"chatbridge/bridge/cluster"
)

// forwardNode is a bridge as far as a forwarder goes: it answers what it takes the
// client's address for.
type forwardNode struct {
	*forwarder
	*httptest.Server
	asked atomic.Int64
}

func newForwardNode(t *testing.T, peers map[string]cluster.Peer) *forwardNode {
	t.Helper()
	n := new(forwardNode)
	id, secret := cluster.NewNodeID(), cluster.NewSecret()
	n.forwarder = newForwarder(id, secret, "/api/ws", nil, func(id string) (cluster.Peer, bool) { p, ok := peers[id]; return p, ok }, slog.New(slog.DiscardHandler))
	local := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, id+" "+r.RemoteAddr[:strings.LastIndexByte(r.RemoteAddr, ':')]+" "+r.Host+" "+string(body)+r.Header.Get(forwardHeader)+r.Header.Get("X-Forwarded-For"))
	})
	before := n.before(local)
	n.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.asked.Add(1)
		if from := r.Header.Get("Test-From"); from != "" { // the peer of the first hop
			r.Header.Del("Test-From")
			r.RemoteAddr = from
		}
		before.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { n.stop(); n.Close() })
	u, err := url.Parse(n.URL)
	if err != nil {
		t.Fatal(err)
	}
	peers[id] = cluster.Peer{ID: id, Address: u, About: cluster.About{Secret: secret}}
	return n
}

// ask asks for a path, and returns the answer.
func (n *forwardNode) ask(t *testing.T, target string, header http.Header) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.URL+target, strings.NewReader("body "))
	if err != nil {
		t.Fatal(err)
	}
	r.Host, r.Header = "crm.example", header
	r.Header.Set("Test-From", "192.0.2.7:1234")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	return strings.TrimSpace(string(text))
}

// TestRequestsArePassedOn to the bridge that a session's id names, once, with the client's
// address, and nowhere else.
func TestRequestsArePassedOn(t *testing.T) {
	t.Parallel()
	peers := make(map[string]cluster.Peer)
	a, b := newForwardNode(t, peers), newForwardNode(t, peers)
	of := func(id string) string {
		return "/api/ws/?EIO=4&x=%2F%20a&transport=polling&sid=" + sidPrefix(id) + "abc-_"
	}
	is := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	is("another's", a.ask(t, of(b.self), http.Header{"X-Forwarded-For": {"6.6.6.6"}}), b.self+" 192.0.2.7 crm.example body")
	is("its own", a.ask(t, of(a.self), http.Header{}), a.self+" 192.0.2.7 crm.example body")
	is("no session", a.ask(t, "/api/ws/?EIO=4&transport=polling", http.Header{}), a.self+" 192.0.2.7 crm.example body")
	is("of another path", a.ask(t, strings.Replace(of(b.self), "/api/ws/", "/admin", 1), http.Header{}), a.self+" 192.0.2.7 crm.example body")
	is("of a bridge that there is not", a.ask(t, of(cluster.NewNodeID()), http.Header{}), a.self+" 192.0.2.7 crm.example body")
	for _, forged := range []string{"127.0.0.1 00", "127.0.0.1", "x", "127.0.0.1 " + strings.Repeat("00", 32)} {
		is("a forged proof", b.ask(t, of(b.self), http.Header{forwardHeader: {forged}}), b.self+" 192.0.2.7 crm.example body")
		is("a forged proof of another's", a.ask(t, of(b.self), http.Header{forwardHeader: {forged}}), a.self+" 192.0.2.7 crm.example body")
	}

	// What is told of a bridge may be wrong: a request goes one hop, whatever that is.
	astray := cluster.NewNodeID()
	p := peers[a.self]
	p.ID, p.About.Secret = astray, cluster.NewSecret()
	peers[astray] = p
	before := a.asked.Load()
	a.ask(t, of(astray), http.Header{})
	if n := a.asked.Load() - before; n != 2 {
		t.Errorf("a request that leads back came %d times", n)
	}

	b.Server.Close()
	// Part of the request may have gone to a connection that was just ending.
	is("a bridge that is dead", strings.TrimSuffix(a.ask(t, of(b.self), http.Header{}), " body"), a.self+" 192.0.2.7 crm.example")
	if n := a.failed.Load(); n != 1 {
		t.Errorf("%d could not be passed on", n)
	}
	forwarded := a.forwarded.Load()
	a.ask(t, of(b.self), http.Header{})
	if a.forwarded.Load() != forwarded {
		t.Error("a bridge that could not be reached was tried again at once")
	}
}
