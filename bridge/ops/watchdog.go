package ops

// Watchdog answers for the daemon to its service manager (systemd.Watched).
type Watchdog struct {
	Snapshot func() Snapshot
	Progress *Progress
}

// Alive returns an error if one call has been in the pipeline since the last
// check, and does not return while events cannot be published at all.
func (w Watchdog) Alive() error {
	w.Snapshot() // takes the lock under which events are published
	return w.Progress.check()
}

// Status is the line that `systemctl status` shows.
func (w Watchdog) Status() string {
	s := w.Snapshot()
	return s.line()
}
