package gateway_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"sync"
	"testing"

	"chatbridge/bridge/gateway"
	"chatbridge/internal/chatengine"
	"chatbridge/internal/failover"
)

// local is a Socket.IO server in the bridge's place: a second Node server,
// behind a link so that its clients can be shed.
type local struct {
	engine *chatengine.Server
	link   *failover.Link
	proxy  *httputil.ReverseProxy

	mu   sync.Mutex
	sids map[string]bool
}

func newLocal(t testing.TB) *local {
	t.Helper()
	l := &local{engine: chatengine.New(t, chatengine.Options{}), sids: make(map[string]bool)}
	l.link = failover.NewLink(t, l.engine.Addr())
	target := l.engine.URL()
	target.Host = l.link.Addr()
	l.proxy = httputil.NewSingleHostReverseProxy(target)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	l.proxy.Transport = transport
	l.proxy.FlushInterval = -1
	l.proxy.ErrorLog = log.New(io.Discard, "", 0) // cut polls
	l.proxy.ModifyResponse = l.note
	return l
}

// note remembers the sids of polling handshakes.
func (l *local) note(resp *http.Response) error {
	query := resp.Request.URL.Query()
	if query.Get("transport") != "polling" || query.Has("sid") {
		return nil
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	var open struct{ SID string }
	if len(body) > 0 && json.Unmarshal(body[1:], &open) == nil && open.SID != "" {
		l.mu.Lock()
		l.sids[open.SID] = true
		l.mu.Unlock()
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

func (l *local) knows(sid string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sids[sid]
}

// serve makes o serve by l.
func (l *local) serve(o gateway.Options) gateway.Options {
	o.Local, o.Knows, o.Shed = l.proxy, l.knows, l.link.Cut
	return o
}

// clients are n of workspace w, each with a token that both servers accept.
func clients(t testing.TB, engine *chatengine.Server, n int) []failover.Client {
	t.Helper()
	token, err := engine.Token("w", "u")
	if err != nil {
		t.Fatal(err)
	}
	all := make([]failover.Client, n)
	for i := range all {
		all[i] = failover.Client{Token: token, WorkspaceID: "w", Subscribe: []string{"c"}}
	}
	return all
}
