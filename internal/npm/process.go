package npm

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"chatbridge/internal/process"
)

// ErrEnded says that the process closed its standard output, so that no
// further line will come. Wait returns why it ended.
var ErrEnded = errors.New("node process ended")

// Options say what Start runs.
type Options struct {
	// Program runs the script; empty is node. A client in another language that
	// speaks JSON lines too is run by its own.
	Program string
	// Script is the file to run, with Args after it.
	Script string
	Args   []string
	// Dir is the working directory; empty is the caller's own.
	Dir string
	// Env is added to the environment of the caller.
	Env []string
	// Prefix goes before node on the command line, such as
	// "taskset", "-c", "0".
	Prefix []string
	// NodeArgs go between node and the script, such as "--expose-gc".
	NodeArgs []string
	// Stderr gets what the script writes to its standard error, line by line
	// from one goroutine; nil discards it. Lines of standard output that are
	// no JSON object go there too.
	Stderr func(line string)
}

// Process is a running script that speaks JSON lines: one JSON object a line
// on its standard output, and on its standard input. By convention an object
// has a member "event".
type Process struct {
	cmd   *exec.Cmd
	stop  context.CancelFunc
	stdin io.WriteCloser
	lines chan json.RawMessage // closed at the end of standard output

	sendMu sync.Mutex
	done   chan struct{} // closed once err is set
	err    error
	errTxt lockedTail
}

// Start runs a script until it ends, ctx ends or Stop is called.
func Start(ctx context.Context, o Options) (*Process, error) {
	program := cmp.Or(o.Program, "node")
	argv := append(append(append([]string{}, o.Prefix...), program), o.NodeArgs...)
	argv = append(append(argv, o.Script), o.Args...)
	ctx, stop := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = o.Dir
	cmd.Env = append(os.Environ(), o.Env...)
	// The group: node may have started others, such as a browser.
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	p := &Process{cmd: cmd, stop: stop, lines: make(chan json.RawMessage, 1024), done: make(chan struct{})}
	in, err := cmd.StdinPipe()
	if err != nil {
		stop()
		return nil, fmt.Errorf("open stdin: %w", err)
	}
	p.stdin = in
	note := p.noter(o.Stderr)
	out := &lineWriter{line: func(b []byte) { p.take(ctx, b, note) }}
	errOut := &lineWriter{line: func(b []byte) { note(string(b)) }}
	cmd.Stdout, cmd.Stderr = out, errOut
	child, err := process.Start(cmd, syscall.SIGKILL)
	if err != nil {
		stop()
		if errors.Is(err, exec.ErrNotFound) && program == "node" {
			return nil, fmt.Errorf("start %s: %w (%w)", argv[0], err, ErrNoNode)
		}
		return nil, fmt.Errorf("start %s: %w", o.Script, err)
	}
	go func() { // joined by done, in Wait and Stop
		defer close(p.done)
		p.err = child.Wait()
		out.flush()
		errOut.flush()
		close(p.lines)
		stop()
	}()
	return p, nil
}

// noter returns the handler of a line of standard error. Both outputs use it, so
// it locks.
func (p *Process) noter(note func(string)) func(string) {
	var mu sync.Mutex
	return func(line string) {
		p.errTxt.add(line)
		if note != nil {
			mu.Lock()
			defer mu.Unlock()
			note(line)
		}
	}
}

// take handles a line of standard output.
func (p *Process) take(ctx context.Context, b []byte, note func(string)) {
	if len(b) == 0 || b[0] != '{' || !json.Valid(b) {
		note(string(b))
		return
	}
	select {
	case p.lines <- json.RawMessage(bytes.Clone(b)):
	case <-ctx.Done():
	}
}

// Next is the next line. The error is ErrEnded after the last one, or that of
// ctx.
func (p *Process) Next(ctx context.Context) (json.RawMessage, error) {
	select {
	case line, ok := <-p.lines:
		if !ok {
			return nil, ErrEnded
		}
		return line, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// NextEvent reads lines until one has "event": name, and decodes that one
// into v, unless v is nil. The lines before it are dropped. A line with the
// event "error" ends the wait with its "message".
func (p *Process) NextEvent(ctx context.Context, name string, v any) error {
	for {
		line, err := p.Next(ctx)
		if err != nil {
			return fmt.Errorf("await %q: %w%s", name, err, p.errTxt.suffix())
		}
		var head struct{ Event, Message string }
		if err := json.Unmarshal(line, &head); err != nil {
			return fmt.Errorf("decode %s: %w", line, err)
		}
		switch {
		case head.Event == name && v == nil:
			return nil
		case head.Event == name:
			return json.Unmarshal(line, v)
		case head.Event == "error":
			return fmt.Errorf("await %q: script says: %s", name, head.Message)
		}
	}
}

// Send writes v as one JSON line to the script's standard input.
func (p *Process) Send(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode line: %w", err)
	}
	p.sendMu.Lock()
	defer p.sendMu.Unlock()
	if _, err := p.stdin.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("write line: %w", err)
	}
	return nil
}

// CloseInput ends the script's standard input. Repeated calls do nothing.
func (p *Process) CloseInput() {
	p.sendMu.Lock()
	defer p.sendMu.Unlock()
	_ = p.stdin.Close()
}

// PID is the process id of node, or of the first word of Prefix. (taskset and
// nice become node: they exec.)
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Wait waits for the end of the process and returns its error. Unread lines are
// dropped, so that the process does not block on them.
func (p *Process) Wait(ctx context.Context) error {
	lines := p.lines
	for {
		select {
		case <-p.done:
			if p.err != nil {
				return fmt.Errorf("run %s: %w%s", p.cmd.Path, p.err, p.errTxt.suffix())
			}
			return nil
		case _, ok := <-lines:
			if !ok {
				lines = nil
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Stop kills the process with all it started, and returns when it is gone.
// Repeated calls do nothing.
func (p *Process) Stop() {
	p.stop()
	<-p.done
	_ = p.stdin.Close()
}
