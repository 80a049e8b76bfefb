package chatengine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"chatbridge/bridge/auth"
	"chatbridge/internal/npm"
	"chatbridge/internal/ports"
)

// startTimeout is how long Node may take to listen; 0.3 s on an idle machine.
const startTimeout = 30 * time.Second

// Form is what a server says of a message, and in which tables it stores it.
type Form string

const (
	// Real is ChatEngine as it was seen to run beside the bridge, on the tables
	// of schemas.CRM: messages go by WhatsApp's ids. See real.mjs.
	Real Form = "real"
	// Agreeing says what the bridge says, on the tables of schemas.ChatEngine.
	Agreeing Form = "agreeing"
)

// Options configure a Server.
type Options struct {
	// Form is Real where it is empty.
	Form Form
	// DatabaseURL is a database with the Form's tables. Empty: a server that
	// stores nothing and has no POST /messages and /statuses.
	DatabaseURL string
	// Secret signs and checks the tokens (HS256). Empty: "chatengine-secret".
	Secret string
	// WhatsApp is where the Real form posts what a client sends, as JSON
	// {clientMessageId, externalId, content}, before it stores the row. Empty: nowhere.
	WhatsApp string
	// PingInterval and PingTimeout are Engine.IO's; zero: 25 s and 20 s.
	PingInterval, PingTimeout time.Duration
	// Log gets what the server writes to its standard error, line by line from
	// one goroutine. Nil drops it.
	Log func(line string)
}

// Server is a running stand-in, or one between Kill and Restore.
type Server struct {
	opts Options
	port int
	proc *npm.Process
}

// Dir is the folder of the Node script and its packages.
func Dir() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "testdata", "server")
}

// New installs the packages, starts a server, and stops it when the test ends.
func New(t testing.TB, o Options) *Server {
	t.Helper()
	npm.Install(t, Dir())
	if o.Log == nil {
		o.Log = func(line string) { t.Log("chatengine: " + line) }
	}
	s, err := Start(context.WithoutCancel(t.Context()), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// Start starts a server on a free port of 127.0.0.1 and returns when it
// listens. The npm packages must have been installed (npm.CI of Dir). The end
// of ctx kills it.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Secret == "" {
		o.Secret = "chatengine-secret"
	}
	if o.Form == "" {
		o.Form = Real
	}
	addr, err := ports.Free()
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(addr)
	s := &Server{opts: o}
	s.port, _ = strconv.Atoi(port)
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Server) start(ctx context.Context) error {
	settings, err := json.Marshal(map[string]any{
		"port": s.port, "database": s.opts.DatabaseURL, "secret": s.opts.Secret, "form": s.opts.Form,
		"whatsapp":     s.opts.WhatsApp,
		"pingInterval": milliseconds(s.opts.PingInterval), "pingTimeout": milliseconds(s.opts.PingTimeout),
	})
	if err != nil {
		return fmt.Errorf("start ChatEngine's stand-in: %w", err)
	}
	proc, err := npm.Start(ctx, npm.Options{
		Script: filepath.Join(Dir(), "server.mjs"),
		Args:   []string{string(settings)},
		Stderr: s.opts.Log,
	})
	if err != nil {
		return fmt.Errorf("start ChatEngine's stand-in: %w", err)
	}
	wait, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	var listening struct{ Port int }
	if err := proc.NextEvent(wait, "listening", &listening); err != nil {
		proc.Stop()
		return fmt.Errorf("await ChatEngine's stand-in: %w", err)
	}
	s.proc, s.port = proc, listening.Port
	return nil
}

// milliseconds is d for JSON, nothing for zero.
func milliseconds(d time.Duration) any {
	if d == 0 {
		return nil
	}
	return d.Milliseconds()
}

// Kill ends the process as kill -9 does and returns when it is gone. Its port
// is refused from then on. No-op on a server that is down.
func (s *Server) Kill() {
	if s.proc == nil {
		return
	}
	_ = s.signal(syscall.SIGKILL) // Stop ends it in any case
	s.proc.Stop()
	s.proc = nil
}

// Restore starts it again on the same port.
func (s *Server) Restore(ctx context.Context) error {
	if s.proc != nil {
		return errors.New("restore ChatEngine's stand-in: it is running")
	}
	return s.start(ctx)
}

// Freeze stops the process without ending it: connections are accepted by the
// kernel and nothing answers. Thaw lets it go on.
func (s *Server) Freeze() error { return s.signal(syscall.SIGSTOP) }

// Thaw ends Freeze.
func (s *Server) Thaw() error { return s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) error {
	if s.proc == nil {
		return errors.New("signal ChatEngine's stand-in: it is down")
	}
	if err := syscall.Kill(s.proc.PID(), sig); err != nil {
		return fmt.Errorf("signal ChatEngine's stand-in: %w", err)
	}
	return nil
}

// Stop ends it for good. Repeating it does nothing.
func (s *Server) Stop() { s.Kill() }

// Addr is host:port, the same over restarts.
func (s *Server) Addr() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

// URL is the server's address as the gateway wants it.
func (s *Server) URL() *url.URL { return &url.URL{Scheme: "http", Host: s.Addr()} }

// Token signs a token with the server's secret.
func (s *Server) Token(workspace, user string) (string, error) {
	return Token(s.opts.Secret, workspace, user)
}

// Token signs a ChatEngine token for a user of a workspace, valid for an hour.
func Token(secret, workspace, user string) (string, error) {
	return auth.Sign(secret, workspace, user, "", "", time.Now(), time.Hour)
}
