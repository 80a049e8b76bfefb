package engineio

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkTLS is one message to each of 200 TLS clients, which throw away what comes
// without decrypting it: in the writer's round, and as a connection is written to that
// does not tell whether a write would wait, by a goroutine of its own. cpu-µs/delivery is
// the process's.
func BenchmarkTLS(b *testing.B) {
	for _, form := range []string{"round", "goroutines"} {
		b.Run(form, func(b *testing.B) { benchmarkTLS(b, form == "round") })
	}
}

func benchmarkTLS(b *testing.B, round bool) {
	const clients = 200
	opened := make(sessions, clients)
	s, err := NewServer(DefaultOptions(), opened)
	if err != nil {
		b.Fatal(err)
	}
	web := httptest.NewUnstartedServer(s)
	if round {
		web.Listener = wireListener{web.Listener}
	}
	web.StartTLS()
	defer web.Close()
	defer func() { _ = s.Shutdown(b.Context(), 0, 0) }()
	var all []*Session
	for range clients {
		c, err := tls.Dial("tcp", web.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		if _, err := io.WriteString(c, "GET /?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"); err != nil {
			b.Fatal(err)
		}
		session := <-opened
		all = append(all, session)
		go func() { _, _ = io.Copy(io.Discard, c.NetConn()) }()
	}
	m := NewMessage(make([]byte, 463))
	before := cpuTime(b)
	for b.Loop() {
		sent := s.Stats().PacketsOut
		for _, session := range all {
			session.Send(m)
		}
		for s.Stats().PacketsOut < sent+clients {
			time.Sleep(50 * time.Microsecond)
		}
	}
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N)/clients, "cpu-µs/delivery")
}

func cpuTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// sessions passes on the sessions that are opened.
type sessions chan *Session

func (c sessions) Open(s *Session, _ *http.Request) Receiver {
	c <- s
	return nobody{}
}

type nobody struct{}

func (nobody) Message([]byte, bool) {}
func (nobody) Close(Reason)         {}
