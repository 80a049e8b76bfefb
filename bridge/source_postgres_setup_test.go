package bridge_test

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"
)

// muteProxy is a proxy in front of Postgres on which, while mute, nothing comes
// from the server any more after its first "ready for query" of a connection.
type muteProxy struct {
	mute  atomic.Bool
	conns atomic.Int64
}

var readyForQuery = []byte{'Z', 0, 0, 0, 5, 'I'}

// newMuteProxy starts the proxy and returns the address that leads through it.
func newMuteProxy(t *testing.T, dsn string) (*muteProxy, string) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	target := u.Host
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u.Host = l.Addr().String()
	h := &muteProxy{}
	h.mute.Store(true)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			h.conns.Add(1)
			wg.Go(func() { h.serve(client, target) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return h, u.String()
}

func (h *muteProxy) serve(client net.Conn, target string) {
	defer client.Close()
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer server.Close()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = io.Copy(server, client)
		server.Close()
	}()
	muted := false
	buf := make([]byte, 32<<10)
	for {
		n, err := server.Read(buf)
		if n > 0 && !muted {
			_, _ = client.Write(buf[:n])
		}
		muted = muted || h.mute.Load() && bytes.HasSuffix(buf[:n], readyForQuery)
		if err != nil {
			break
		}
	}
	client.Close()
	<-gone
}

// TestMuteNetworkAtTheStart: a network that drops packets once the connection is
// there costs the time limit of a connection, and a line; then it is tried
// again.
func TestMuteNetworkAtTheStart(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DB(t, schemas.CRM)
	h, through := newMuteProxy(t, dsn)
	d := startDaemon(t, through, "BRIDGE_SOURCE_POSTGRES_CONNECT_TIMEOUT=500ms")
	d.await("a second attempt", func() bool { return h.conns.Load() >= 2 })
	d.await("the reason", func() bool { return strings.Contains(d.log.String(), "waiting for the database") })
	if s := d.Snapshot().Source; s.State != "retrying" || s.Reason == "" || s.Remedy == "" {
		t.Errorf("%+v", s)
	}
	h.mute.Store(false)
	d.ready()
}

// TestShortRefusalAtTheStart: a refusal that is over after some seconds costs
// little more than that, and one line.
func TestShortRefusalAtTheStart(t *testing.T) {
	t.Parallel()
	cluster := pgtest.Cluster(t, throwaway.Options{TCP: true})
	dsn := pgtest.On(t, cluster, schemas.CRM, `create publication bridge for table messages, conversations`,
		`create role app nologin replication password 'x'`, `grant select on all tables in schema public to app`)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("app", "x")
	d := startDaemon(t, u.String())
	d.await("the refusal", func() bool { return strings.Contains(d.log.String(), "waiting for the database") })
	time.Sleep(4 * time.Second) // its length
	exec(t, dsn, `alter role app login`)
	began := time.Now()
	d.ready()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v more", took)
	}
	if n := strings.Count(d.log.String(), "waiting for the database"); n != 1 {
		t.Errorf("said %d times", n)
	}
}
