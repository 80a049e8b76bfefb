package demo

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"chatbridge/bridge"
)

// screen prints the bridge's status: on a terminal one line, overwritten every
// second; elsewhere a line every five seconds.
type screen struct {
	out    io.Writer
	live   bool
	daemon *bridge.Daemon
	last   bridge.EventStatus
	at     time.Time
}

func newScreen(out io.Writer, live bool, daemon *bridge.Daemon) *screen {
	return &screen{out: out, live: live, daemon: daemon, at: time.Now()}
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
			if s.live {
				fmt.Fprint(s.out, "\r\x1b[K")
			}
			e := s.daemon.Status().Events
			fmt.Fprintf(s.out, "Published %d message, %d conversation, %d messageStatus and %d typing events.\n",
				e.Message, e.Conversation, e.MessageStatus, e.Typing)
			return nil
		case now := <-tick.C:
			line := s.line(s.daemon.Status(), now)
			if s.live {
				fmt.Fprint(s.out, "\r"+line+"\x1b[K")
			} else {
				fmt.Fprintln(s.out, line)
			}
		}
	}
}

// line formats the events of each kind per second since the last line, the
// number of clients, and the mean delay from the commit in the database.
func (s *screen) line(status bridge.Status, now time.Time) string {
	e, seconds := status.Events, now.Sub(s.at).Seconds()
	rate := func(count func(bridge.EventStatus) uint64) float64 {
		return float64(count(e)-count(s.last)) / seconds
	}
	delay := 0.0
	if n := e.Delay.Count - s.last.Delay.Count; n > 0 {
		delay = (e.Delay.Sum - s.last.Delay.Sum) / float64(n)
	}
	line := fmt.Sprintf("message %.1f/s  conversation %.1f/s  messageStatus %.1f/s  typing %.1f/s  clients %d  lag %.1f ms",
		rate(func(e bridge.EventStatus) uint64 { return e.Message }),
		rate(func(e bridge.EventStatus) uint64 { return e.Conversation }),
		rate(func(e bridge.EventStatus) uint64 { return e.MessageStatus }),
		rate(func(e bridge.EventStatus) uint64 { return e.Typing }),
		status.Clients.Connected, 1000*delay)
	if !status.Ready {
		line += "  (" + status.Reason + ")"
	}
	s.last, s.at = e, now
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
