package bridge

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbridge/configs"
)

// TestConnectionsWithoutARequest: one address has only so many connections that have not
// sent a request's head, also those of TLS, standalone and as a gateway. The oldest goes,
// what is under way stays, and whoever sends a request is served.
func TestConnectionsWithoutARequest(t *testing.T) {
	const most = 3
	cert, key := certificateFiles(t)
	for name, tt := range map[string]struct {
		env     []string
		secure  bool
		trusted bool
	}{
		"standalone":      {},
		"TLS":             {env: []string{"BRIDGE_TLS_CERT_FILE=" + cert, "BRIDGE_TLS_KEY_FILE=" + key}, secure: true},
		"gateway":         {env: []string{"CHATENGINE_URL=http://192.0.2.1:1"}},
		"a trusted proxy": {env: []string{"BRIDGE_PROXIES_TRUSTED=127.0.0.0/8"}, trusted: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startHeadless(t, append(tt.env, "BRIDGE_LIMITS_UNAUTHENTICATED_PER_ADDRESS=3")...)
			ask := func(c net.Conn) {
				t.Helper()
				if tt.secure {
					c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
				}
				if _, err := c.Write([]byte("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
					t.Fatal(err)
				}
				res, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				if res.StatusCode != http.StatusOK {
					t.Errorf("/healthz: %s", res.Status)
				}
			}
			served := s.dial(t)
			ask(served) // has had its request: it does not count
			var waiting []net.Conn
			for range most + 2 {
				c := s.dial(t)
				if _, err := c.Write([]byte("GET /healthz HT")[:1]); err != nil { // of a head, or of a handshake
					t.Fatal(err)
				}
				waiting = append(waiting, c)
			}
			if tt.trusted {
				ask(s.dial(t))
				if n := s.Snapshot().HeadlessClosed; n != 0 {
					t.Errorf("%d of a trusted proxy were closed", n)
				}
				return
			}
			for _, c := range waiting[:2] {
				if n, err := c.Read(make([]byte, 1)); err == nil {
					t.Errorf("read %d bytes", n)
				}
			}
			ask(s.dial(t)) // takes the place of the third
			if _, err := waiting[2].Read(make([]byte, 1)); err == nil {
				t.Error("the oldest is open")
			}
			if n := s.Snapshot().HeadlessClosed; n != 3 {
				t.Errorf("%d were counted, want 3", n)
			}
			if !tt.secure {
				// The newest goes on where it was.
				if _, err := waiting[most+1].Write([]byte("ET /healthz HTTP/1.0\r\n\r\n")); err != nil {
					t.Fatal(err)
				}
				if text, err := io.ReadAll(waiting[most+1]); err != nil || !strings.Contains(string(text), "200 OK") {
					t.Errorf("%q, %v", text, err)
				}
			}
			if said := s.log.String(); strings.Count(said, "does not send its requests") != 1 || !strings.Contains(said, "client=127.0.0.1 ") {
				t.Errorf("logged\n%s", said)
			}
			cfg := s.config(t, "BRIDGE_LIMITS_UNAUTHENTICATED_PER_ADDRESS=0")
			if _, _, err := s.Reload(cfg); err != nil {
				t.Fatal(err)
			}
			for range 2 * most {
				ask(s.dial(t))
				s.dial(t)
			}
			if n := s.Snapshot().HeadlessClosed; n != 3 {
				t.Errorf("%d were counted without a limit", n)
			}
		})
	}
}

// TestHeadsForgets: of what is over nothing is kept, and an address counts by itself.
func TestHeadsForgets(t *testing.T) {
	h := newHeads(2, nil, slog.New(slog.DiscardHandler))
	var conns []*fromAddress
	for _, ip := range []string{"192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "2001:db8::3", "::ffff:192.0.2.1"} {
		c := &fromAddress{ip: net.ParseIP(ip)}
		conns = append(conns, c)
		h.accepted(c)
	}
	if n := h.closed.Load(); n != 1 || !conns[2].closed {
		t.Errorf("%d were closed; of one /64 the oldest: %v", n, conns[2].closed)
	}
	for _, c := range conns {
		h.forget(c)
		h.forget(c)
	}
	if len(h.at)+len(h.waiting) > 0 {
		t.Errorf("%d connections of %d addresses are remembered", len(h.at), len(h.waiting))
	}
}

// fromAddress is a connection of an address.
type fromAddress struct {
	net.Conn
	ip     net.IP
	closed bool
}

func (c *fromAddress) RemoteAddr() net.Addr { return &net.TCPAddr{IP: c.ip, Port: 1} }
func (c *fromAddress) Close() error         { c.closed = true; return nil }

// certificateFiles are the files of a certificate for tests.
func certificateFiles(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	pair := server.TLS.Certificates[0]
	server.Close()
	private, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// headlessDaemon is a Daemon of which only the public listener runs.
type headlessDaemon struct {
	*Daemon
	env []string
	log *logText
}

func startHeadless(t *testing.T, env ...string) *headlessDaemon {
	t.Helper()
	s := &headlessDaemon{env: env, log: &logText{}}
	var err error
	s.Daemon, err = New(s.config(t), Options{Logger: slog.New(slog.NewTextHandler(s.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	public := s.httpServers()[0]
	var done sync.WaitGroup
	done.Go(func() { _ = public.run() })
	t.Cleanup(func() { _ = public.Close(); done.Wait() })
	return s
}

func (s *headlessDaemon) config(t *testing.T, more ...string) *configs.Config {
	t.Helper()
	env := append([]string{
		"CHATENGINE_JWT_SECRET=a-secret-of-the-tests", "DATABASE_URL=postgres://nobody@127.0.0.1:1/none",
		"BRIDGE_LISTEN=127.0.0.1:0", "BRIDGE_ADMIN_LISTEN=",
	}, append(s.env, more...)...)
	cfg, err := configs.Load(configs.Sources{Env: env, Complete: true})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func (s *headlessDaemon) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second)) // where it is not closed
	return c
}

// logText keeps what is logged.
type logText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
