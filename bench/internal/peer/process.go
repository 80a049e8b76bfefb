//go:build linux

package peer

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"chatbridge/bench/internal/event"
	"chatbridge/bench/internal/proc"
)

// Process is a running server. Stop it.
type Process struct {
	// Addr is where it serves clients.
	Addr    netip.AddrPort
	cmd     *exec.Cmd
	control string
	client  *http.Client
}

// Options say how to run a server.
type Options struct {
	// Cores are those it runs on, as taskset names them: "0", "0,1".
	Cores string
	// Env is added to the environment, see bench/internal/control.
	Env []string
}

// Start runs a peer.
func Start(ctx context.Context, p Peer, o Options) (*Process, error) {
	argv := append([]string{"taskset", "-c", o.Cores}, p.Argv...)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stderr = os.Stderr
	cmd.Env = append(os.Environ(), o.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("open stdout: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start: %w", err)
	}
	s := &Process{cmd: cmd, client: &http.Client{Transport: &http.Transport{}}}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	var listening struct {
		Addr    netip.AddrPort
		Control string
	}
	if err == nil {
		err = json.Unmarshal(line, &listening)
	}
	if err != nil {
		s.Stop()
		return nil, fmt.Errorf("read address: %w", err)
	}
	s.Addr, s.control = listening.Addr, listening.Control
	return s, nil
}

// Stop kills the server: what it does at its end is not measured.
func (s *Process) Stop() {
	s.client.CloseIdleConnections()
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// PID is that of the server.
func (s *Process) PID() int { return s.cmd.Process.Pid }

// Publication is what a server is to publish.
type Publication struct {
	// Count events, Rate a second.
	Count int
	Rate  float64
	// Rooms are how many rooms the events go to in turn, from the room First on, and
	// Subs the conversations of each, in turn too. Without Rooms they go to everybody.
	Rooms, First, Subs int
	// From is the number of the first event, Origin when event 0 was due, see
	// event.Now; 0 is now. With those of an earlier publication the same events come
	// again: what was due before is sent at once.
	From   int
	Origin uint64
	// Paced has the server told of each event when it is due, as a bridge is by its
	// database, instead of looking at the clock. Timers of Node.js and of Go are late by
	// up to a millisecond, which would be taken for the server's latency.
	Paced bool
	// More tells that another one follows, before a log that is filled counts as
	// filled.
	More bool
	// Ahead is how many packets may wait to be written to all clients before the server
	// waits with further events, which it looks at every Check events; 0 is no bound.
	// With a bound it answers once all are written. The bridge alone knows.
	Ahead, Check int
}

// Publish has the server send events and returns when it has, and when event 0 was
// due.
func (s *Process) Publish(ctx context.Context, p Publication) (origin uint64, err error) {
	q := url.Values{"rate": {strconv.FormatFloat(p.Rate, 'f', -1, 64)}}
	for name, v := range map[string]int{"count": p.Count, "rooms": p.Rooms, "first": p.First, "subs": p.Subs, "from": p.From, "ahead": p.Ahead, "check": p.Check} {
		q.Set(name, strconv.Itoa(v))
	}
	if p.More {
		q.Set("more", "1")
	}
	var body io.Reader
	if p.Paced {
		if p.Origin == 0 {
			p.Origin = event.Now() - event.Since(p.From, p.Rate)
		}
		q.Set("paced", "1")
		reader, writer := io.Pipe()
		defer reader.Close()
		go p.pace(writer)
		body = reader
	}
	q.Set("origin", strconv.FormatUint(p.Origin, 10))
	text, err := s.post(ctx, "/publish?"+q.Encode(), body)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(text), 10, 64)
}

// paceAtOnce bounds how many events one write tells of.
const paceAtOnce = 512

// pace writes a byte for each event when it is due, until that fails.
func (p Publication) pace(w *io.PipeWriter) {
	var due [paceAtOnce]byte
	for sent := 0; sent < p.Count; {
		now := event.Now()
		n := 0
		for n < len(due) && sent+n < p.Count && p.Origin+event.Since(p.From+sent+n, p.Rate) <= now {
			n++
		}
		if n == 0 {
			event.Sleep(p.Origin + event.Since(p.From+sent, p.Rate))
			continue
		}
		if _, err := w.Write(due[:n]); err != nil {
			return // the request has ended
		}
		sent += n
	}
	_ = w.Close()
}

// Collect has the server give back the memory it does not need.
func (s *Process) Collect(ctx context.Context) error {
	_, err := s.post(ctx, "/gc", nil)
	return err
}

func (s *Process) post(ctx context.Context, path string, body io.Reader) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.control+path, body)
	if err != nil {
		return "", err
	}
	resp, err := s.client.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("POST %s: %s: %s", path, resp.Status, b)
	}
	return string(b), err
}

// Profile writes a CPU profile of the next d, in whole seconds, to a file. Go servers
// alone.
func (s *Process) Profile(ctx context.Context, d time.Duration, file string) error {
	return s.Save(ctx, fmt.Sprintf("/debug/pprof/profile?seconds=%d", int(d.Seconds())), file)
}

// Save writes what the control port of a Go server answers to a file, such as
// /debug/pprof/mutex.
func (s *Process) Save(ctx context.Context, path, file string) error {
	b, err := s.Get(ctx, path)
	if err != nil {
		return err
	}
	return os.WriteFile(file, b, 0o644)
}

// Get returns what the control port answers.
func (s *Process) Get(ctx context.Context, path string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.control+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %s", path, resp.Status, b)
	}
	return b, err
}

// Usage is what a server has had of its cores so far: the time that it ran, and the
// time that it was ready to run while something else had them.
type Usage struct{ CPU, Waited time.Duration }

// Usage reads it.
func (s *Process) Usage() (u Usage, err error) {
	if u.CPU, err = proc.CPU(s.PID()); err != nil {
		return u, err
	}
	u.Waited, err = proc.Waited(s.PID())
	return u, err
}

// Since is what has been used since an earlier one.
func (u Usage) Since(before Usage) Usage {
	return Usage{CPU: u.CPU - before.CPU, Waited: u.Waited - before.Waited}
}
