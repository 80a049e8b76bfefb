package systemd

import (
	"log/slog"
	"os"
	"strings"
	"sync/atomic"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Notifier notifies the service manager of the state. Safe for concurrent use.
// A message that cannot be sent is logged; the service continues, and the
// manager's own timeouts apply.
type Notifier struct {
	log *slog.Logger
	// last is the status text sent last.
	last atomic.Pointer[string]
}

// NewNotifier returns a Notifier; without a manager it does nothing.
func NewNotifier(log *slog.Logger) *Notifier { return &Notifier{log: log} }

// Managed reports whether there is a manager ($NOTIFY_SOCKET).
func (n *Notifier) Managed() bool { return os.Getenv("NOTIFY_SOCKET") != "" }

// Ready notifies that the service serves: after the start, and after Reloading.
func (n *Notifier) Ready() { n.send(daemon.SdNotifyReady) }

// Reloading notifies that the configuration is being read again; Ready must
// follow. Type=notify-reload requires the time with it.
func (n *Notifier) Reloading() {
	n.send(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
}

// Stopping notifies that the shutdown has begun.
func (n *Notifier) Stopping() { n.send(daemon.SdNotifyStopping) }

// Status sets the one line that `systemctl status` shows. The same line again
// is not sent.
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
