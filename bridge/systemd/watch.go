package systemd

import (
	"context"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// statusInterval is how often the status line is looked at; it is sent if it has
// changed.
const statusInterval = time.Second

// Watched is a service.
type Watched interface {
	// Alive returns an error if the service no longer does its work. It may
	// hang if the service does.
	Alive() error
	// Status is one line for the operator.
	Status() string
}

// Watch sends the status of w until ctx ends, and while w is alive the
// keep-alive message of the watchdog, twice in WatchdogSec=. It returns nil, at
// once without a manager; an error only for malformed variables of the manager.
func (n *Notifier) Watch(ctx context.Context, w Watched) error {
	if !n.Managed() {
		return nil
	}
	watchdog, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return err
	}
	status := time.NewTicker(statusInterval)
	defer status.Stop()
	var due <-chan time.Time // never, without a watchdog
	if watchdog > 0 {
		alive := time.NewTicker(watchdog / 2)
		defer alive.Stop()
		due = alive.C
	}
	n.Status(w.Status())
	n.alive(w, watchdog > 0)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-status.C:
			n.Status(w.Status())
		case <-due:
			n.Status(w.Status())
			n.alive(w, true)
		}
	}
}

// alive asks w for a sign of life, and passes it on to a watchdog.
func (n *Notifier) alive(w Watched, watchdog bool) {
	if err := w.Alive(); err != nil {
		n.log.Error("no sign of life for the watchdog", "error", err)
	} else if watchdog {
		n.send(daemon.SdNotifyWatchdog)
	}
}
