package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"chatbridge/internal/process"
)

// node is one bridge of several, a process of its own.
type node struct {
	name          string
	program       string
	env           []string
	listen, admin string
	log           *slog.Logger
	child         *process.Child // nil while it does not run
}

// newNode returns a bridge that does not run yet.
func newNode(name, program, dir, dsn, redis, secret string, log *slog.Logger) (*node, error) {
	n := &node{name: name, program: program, log: log.With("bridge", name)}
	for _, address := range []*string{&n.listen, &n.admin} {
		var err error
		if *address, err = freeAddress(); err != nil {
			return nil, err
		}
	}
	n.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir,
		"DATABASE_URL=" + dsn, "CHATENGINE_JWT_SECRET=" + secret, "REDIS_URL=" + redis,
		"BRIDGE_CLUSTER_NAME=demo", "BRIDGE_LISTEN=" + n.listen, "BRIDGE_ADMIN_LISTEN=" + n.admin,
		"BRIDGE_CORS_ORIGINS=http://localhost:*,http://127.0.0.1:*",
		"BRIDGE_REPLAY_STATE_FILE=" + filepath.Join(dir, name), "BRIDGE_LOG_FORMAT=text",
	}
	return n, nil
}

// start starts the process; it ends with this program at the latest.
func (n *node) start() error {
	cmd := exec.Command(n.program, "serve")
	out := &lineLog{log: n.log}
	cmd.Env, cmd.Stdout, cmd.Stderr = n.env, out, out
	child, err := process.Start(cmd, syscall.SIGKILL)
	if err != nil {
		return fmt.Errorf("start bridge %s: %w", n.name, err)
	}
	n.child = child
	return nil
}

// kill ends it by SIGKILL, with no time to do anything.
func (n *node) kill() {
	if n.child != nil {
		n.child.KillGroup()
		_ = n.child.Wait()
		n.child = nil
	}
}

// awaitReady returns when the bridge is ready: nil, or why it will not be.
func (n *node) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	for {
		if ask(ctx, "http://"+n.listen+"/readyz", nil) {
			return nil
		}
		select {
		case <-n.child.Done():
			return fmt.Errorf("bridge %s has ended: --log FILE takes its log", n.name)
		case <-ctx.Done():
			return fmt.Errorf("bridge %s does not become ready: %w", n.name, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// readyTime is how long a bridge may take until it is ready.
const readyTime = time.Minute

// leads asks the bridge whether it reads the database.
func (n *node) leads(ctx context.Context) bool {
	var status struct{ Cluster struct{ Role string } }
	return n.child != nil && ask(ctx, "http://"+n.admin+"/status", &status) && status.Cluster.Role == "leader"
}

// ask reports whether url answers 200 soon, with JSON for into where that is not nil.
func ask(ctx context.Context, url string, into any) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK && (into == nil || json.NewDecoder(resp.Body).Decode(into) == nil)
}

// lineLog logs what a bridge prints.
type lineLog struct {
	log  *slog.Logger
	mu   sync.Mutex
	rest []byte
}

// Write implements io.Writer.
func (l *lineLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		line, rest, found := bytes.Cut(l.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		l.log.Debug(string(line))
		l.rest = rest
	}
}
