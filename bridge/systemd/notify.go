package systemd

import (
	"log/slog"
	"os"
	"strings"
	"sync/atomic"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Notifier tells the service manager the state. Safe for concurrent use. A
// message that cannot be sent is logged: the service goes on without it, and
// the manager's own time-outs show the consequence.
type Notifier struct {
	log *slog.Logger
	// last is the status text sent last.
	last atomic.Pointer[string]
}

// NewNotifier returns a Notifier; where no manager listens it does nothing.
func NewNotifier(log *slog.Logger) *Notifier { return &Notifier{log: log} }

// Managed tells whether a manager listens ($NOTIFY_SOCKET).
func (n *Notifier) Managed() bool { return os.Getenv("NOTIFY_SOCKET") != "" }

// Ready says that the service serves: after the start, and after Reloading.
func (n *Notifier) Ready() { n.send(daemon.SdNotifyReady) }

// Reloading says that the configuration is being read again; Ready must
// follow. The time with it is what Type=notify-reload asks for.
func (n *Notifier) Reloading() {
	n.send(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
}

// Stopping says that the end has begun.
func (n *Notifier) Stopping() { n.send(daemon.SdNotifyStopping) }

// Status sets the one line that `systemctl status` shows. Repeating it sends
// nothing.
func (n *Notifier) Status(text string) {
	text = strings.ReplaceAll(text, "\n", " ")
	if last := n.last.Swap(&text); last == nil || *last != text {
		n.send("STATUS=" + text)
	}
}

func (n *Notifier) send(state string) {
	if _, err := daemon.SdNotify(false, strings.TrimRight(state, "\n")); err != nil {
		n.log.Warn("could not tell systemd the state", "error", err)
	}
}
