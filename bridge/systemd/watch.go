package systemd

import (
	"context"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// statusInterval is how often the status line is brought up to date where the
// watchdog does not ask for more.
const statusInterval = 5 * time.Second

// Watched is a service that can tell how it is.
type Watched interface {
	// Alive returns an error if the service no longer does its work. One that
	// hangs may simply not return.
	Alive() error
	// Status is one line for the operator.
	Status() string
}

// Watch keeps the manager informed of w until ctx ends: its status, and as
// long as it is alive the sign that keeps WatchdogSec= from ending it. It
// looks at it twice in that time. Returns nil, at once where no manager
// listens; an error only if the manager's variables make no sense.
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
