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
	"strings"
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

// ticks is the unit of CPU time in /proc: USER_HZ, 100 on every Linux.
const ticks = 100

// cpu is the CPU time the server has used, to 10 ms.
func (s *process) cpu() (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	// The second field is a name in parentheses that may hold anything.
	_, rest, _ := strings.Cut(string(b), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("read CPU time: /proc/PID/stat has %d fields", len(fields))
	}
	var sum time.Duration
	for _, f := range fields[11:13] { // utime and stime
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read CPU time: %w", err)
		}
		sum += time.Duration(n) * time.Second / ticks
	}
	return sum, nil
}

// waited is how long the server's threads were ready to run while others had
// the core: what else the machine did, as far as it hurt.
func (s *process) waited() (time.Duration, error) {
	dir := fmt.Sprintf("/proc/%d/task", s.cmd.Process.Pid)
	threads, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, thread := range threads {
		b, err := os.ReadFile(dir + "/" + thread.Name() + "/schedstat")
		if err != nil {
			continue // it has ended, or the kernel keeps no such statistics
		}
		var ran, waited int64
		if _, err := fmt.Sscan(string(b), &ran, &waited); err != nil {
			return 0, fmt.Errorf("read schedstat: %w", err)
		}
		sum += time.Duration(waited)
	}
	return sum, nil
}

// rss is the memory the server holds, in kB; socket buffers are the kernel's
// and not in it.
func (s *process) rss() (int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	var kb int
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		return 0, fmt.Errorf("read VmRSS: %w", err)
	}
	return kb, nil
}
