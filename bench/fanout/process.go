//go:build linux

package main

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
	"syscall"
	"time"
)

// process is a running server.
type process struct {
	cmd     *exec.Cmd
	addr    netip.AddrPort
	control string
	client  *http.Client
}

// start runs a peer on the server's core. Stop it.
func start(ctx context.Context, p peer) (*process, error) {
	argv := onCore(serverCore, p.argv)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("open stdout: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start: %w", err)
	}
	s := &process{cmd: cmd, client: &http.Client{Transport: &http.Transport{}}}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	var listening struct {
		Addr    netip.AddrPort
		Control string
	}
	if err == nil {
		err = json.Unmarshal(line, &listening)
	}
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("read address: %w", err)
	}
	s.addr, s.control = listening.Addr, listening.Control
	return s, nil
}

// stop kills the server: what it does at its end is not measured here.
func (s *process) stop() {
	s.client.CloseIdleConnections()
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// publish has the server send events and returns when it has.
func (s *process) publish(ctx context.Context, count int, rate float64) error {
	q := url.Values{"count": {strconv.Itoa(count)}, "rate": {strconv.FormatFloat(rate, 'f', -1, 64)}}
	return s.post(ctx, "/publish?"+q.Encode())
}

// collect has the server give back the memory it does not need.
func (s *process) collect(ctx context.Context) error { return s.post(ctx, "/gc") }

func (s *process) post(ctx context.Context, path string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.control+path, nil)
	if err != nil {
		return err
	}
	resp, err := s.client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("POST %s: %s: %s", path, resp.Status, b)
	}
	return err
}

// profile writes a CPU profile of the next d to a file. Go servers alone.
func (s *process) profile(ctx context.Context, d time.Duration, file string) error {
	u := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", s.control, int(d.Seconds()))
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return err
	}
	resp, err := s.client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, resp.Body); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

func (s *process) pid() int { return s.cmd.Process.Pid }
