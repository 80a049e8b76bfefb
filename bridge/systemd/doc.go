// Package systemd is the daemon's side of its service manager: it notifies it of
// the state (sd_notify(3)), feeds its watchdog while the service is alive, and
// takes over the sockets that the manager keeps open across restarts
// (sd_listen_fds(3)). All of it depends on environment variables: without them,
// which is everywhere but under systemd, nothing is sent and nothing is inherited.
//
//	notify.go    Notifier: ready, reloading, stopping, the status line
//	watch.go     Notifier.Watch: the watchdog and the status line, periodically
//	listeners.go Listeners: the inherited sockets
//
// The package starts no goroutine; the caller runs Watch in one. It imports no
// other of the module.
package systemd
