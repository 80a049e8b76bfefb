package clienttest_test

import (
	"io"
	"log"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
)

// TestBehindProxy connects through an HTTP proxy that buffers nothing, by
// polling alone, by polling with the upgrade, and by WebSocket.
func TestBehindProxy(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		s := startServer(t, testOptions())
		target, err := url.Parse(s.url())
		if err != nil {
			t.Fatal(err)
		}
		proxy := httptest.NewServer(&httputil.ReverseProxy{
			Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
			FlushInterval: -1,
			// It logs each poll that a client drops, which clients may.
			ErrorLog: log.New(io.Discard, "", 0),
		})
		t.Cleanup(proxy.Close)
		for _, tr := range transports[1:] {
			t.Run(tr.name, func(t *testing.T) {
				c := k.start(t)
				r := c.connected(proxy.URL, crm("good", options{"transports": tr.offer}))
				socket := s.socket()
				if r.Transport != tr.ends {
					c.await("upgrade")
				}
				converse(t, s, c)
				c.do("disconnect")
				c.await("disconnect")
				<-socket.Done()
			})
		}
	})
}
