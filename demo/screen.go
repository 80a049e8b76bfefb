package demo

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"chatbridge/bridge"
	"chatbridge/bridge/gateway"
	"chatbridge/bridge/ops"
	"chatbridge/mapping/contract"
)

// screen prints the bridge's status: on a terminal one line, overwritten every
// second; elsewhere a line every five seconds.
type screen struct {
	mu     sync.Mutex // held while out is written to
	out    io.Writer
	live   bool
	daemon *bridge.Daemon
	last   ops.Snapshot
}

func newScreen(out io.Writer, live bool, daemon *bridge.Daemon) *screen {
	return &screen{out: out, live: live, daemon: daemon, last: ops.Snapshot{Taken: time.Now()}}
}

func (s *screen) run(ctx context.Context) error {
	every := 5 * time.Second
	if s.live {
		every = time.Second
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			s.status("")
			published := s.daemon.Snapshot().Hub.Published
			s.print(fmt.Sprintf("Published %d message, %d conversation, %d messageStatus and %d typing events.\n",
				published[contract.Message], published[contract.Conversation], published[contract.MessageStatus], published[contract.Typing]))
			return nil
		case <-tick.C:
			s.status(s.line(s.daemon.Snapshot()))
		}
	}
}

// status prints a status line, which the next one overwrites on a terminal; empty ends
// that.
func (s *screen) status(line string) {
	switch {
	case s.live && line == "":
		s.print("\r\x1b[K")
	case s.live:
		s.print("\r" + line + "\x1b[K")
	case line != "":
		s.print(line + "\n")
	}
}

// note prints a line above the status line.
func (s *screen) note(text string) {
	erase := ""
	if s.live {
		erase = "\r\x1b[K"
	}
	s.print(erase + time.Now().Format(time.TimeOnly) + "  " + text + "\n")
}

func (s *screen) print(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprint(s.out, text)
}

// line formats the events of each kind per second since the last line, the
// number of clients, and the mean delay from the commit in the database.
func (s *screen) line(now ops.Snapshot) string {
	seconds := now.Taken.Sub(s.last.Taken).Seconds()
	rate := func(kind contract.Kind) float64 {
		return float64(now.Hub.Published[kind]-s.last.Hub.Published[kind]) / seconds
	}
	delay := 0.0
	if n := now.Pipeline.Delay.Count - s.last.Pipeline.Delay.Count; n > 0 {
		delay = (now.Pipeline.Delay.Sum - s.last.Pipeline.Delay.Sum).Seconds() / float64(n)
	}
	clients, serving := now.Connected(), "ChatEngine"
	if g := now.Gateway; g != nil {
		clients += g.Websockets
		if g.Status.State == gateway.Local {
			serving = "the bridge"
		}
	}
	line := fmt.Sprintf("message %.1f/s  conversation %.1f/s  messageStatus %.1f/s  typing %.1f/s  clients %d  lag %.1f ms  %s serves",
		rate(contract.Message), rate(contract.Conversation), rate(contract.MessageStatus), rate(contract.Typing), clients, 1000*delay, serving)
	if !now.Ready.OK() {
		line += "  (" + now.Ready.Reason + ")"
	}
	s.last = now
	return line
}

// reachable is an address under which a listener can be reached from this
// machine: one that listens everywhere is at the loopback address too.
func reachable(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
