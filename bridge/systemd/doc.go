// Package systemd is what a daemon owes its service manager: telling it the
// state (sd_notify(3)), feeding its watchdog with proof of life rather than
// with a timer's, and taking over the sockets that it holds across restarts
// (sd_listen_fds(3)).
//
// All of it is a matter of environment variables: without them, which is
// everywhere but under systemd, nothing is sent and nothing is inherited. The
// package reads the environment when it is called and keeps no state of its
// own. It must not import bridge, which imports it.
package systemd
