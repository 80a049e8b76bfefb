package clienttest_test

import (
	"net/http/httptest"
	"testing"
)

// TestTLS: the same over TLS, where a browser polls by HTTP/2.
func TestTLS(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		s := startServer(t, testOptions())
		front := httptest.NewUnstartedServer(s.Server)
		front.EnableHTTP2 = true
		front.StartTLS()
		t.Cleanup(front.Close)
		for _, tr := range transports[1:] {
			t.Run(tr.name, func(t *testing.T) {
				c := k.start(t)
				// Node.js is told to trust any certificate, Chromium is started so.
				r := c.connected(front.URL, crm("good", options{"transports": tr.offer, "rejectUnauthorized": false}))
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
