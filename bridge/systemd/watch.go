package systemd

import (
	"context"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// statusInterval is how often the status line is updated, unless the watchdog
// needs a shorter interval.
const statusInterval = 5 * time.Second

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
	every := statusInterval
	if watchdog > 0 {
		every = min(every, watchdog/2)
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		n.Status(w.Status())
		if err := w.Alive(); err != nil {
			n.log.Error("no sign of life for the watchdog", "error", err)
		} else if watchdog > 0 {
			n.send(daemon.SdNotifyWatchdog)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
