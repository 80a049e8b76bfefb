package ops

import (
	"fmt"
	"strings"

	"chatbridge/bridge/logging"
	"chatbridge/internal/plural"
)

// line says in one line how the daemon is, without secrets: for `systemctl
// status`.
func (s *Snapshot) line() string {
	var b strings.Builder
	h := &s.Source
	b.WriteString(string(h.State))
	if h.Flowing && h.LagBytes >= 0 {
		fmt.Fprintf(&b, ", %s behind", bytesText(h.LagBytes))
	}
	if h.Flowing && h.Lag >= 0.001 {
		fmt.Fprintf(&b, " (%.3g s)", h.Lag)
	}
	io := &s.Sockets
	fmt.Fprintf(&b, "; %s (%d websocket, %d polling)", plural.Of(io.WebSocket+io.Polling, "client", "clients"), io.WebSocket, io.Polling)
	if s.Gateway != nil {
		if n, polls := s.Gateway.Websockets, s.Gateway.Requests; n+polls > 0 {
			fmt.Fprintf(&b, "; %d at ChatEngine through the bridge (%d websocket, %s)", n+polls, n, plural.Of(polls, "polling request", "polling requests"))
		}
		fmt.Fprintf(&b, "; gateway %s: %s", s.Gateway.Status.State, s.Gateway.Status.Reason)
	}
	if k := s.Spool; k != nil && (!k.Open || k.Waiting+k.Dead > 0) {
		fmt.Fprintf(&b, "; %d webhooks kept, %d of them dead letters", k.Waiting+k.Dead, k.Dead)
		if !k.Open {
			b.WriteString(" (the spool is not available)")
		}
	}
	if !h.Flowing && h.Reason != "" {
		fmt.Fprintf(&b, "; %s", h.Reason)
	}
	return logging.Scrub(b.String())
}

// bytesText is a number of bytes as people read it.
func bytesText(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, names := float64(n)/unit, "KMGTP"
	for value >= unit && len(names) > 1 {
		value, names = value/unit, names[1:]
	}
	return fmt.Sprintf("%.1f %ciB", value, names[0])
}
