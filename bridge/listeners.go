package bridge

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"syscall"

	"chatbridge/bridge/systemd"
	"chatbridge/configs"
	"chatbridge/socketio/engineio"
)

// listeners are the sockets on which the Daemon accepts connections: bound by
// itself, or passed by systemd.
type listeners struct {
	log       *slog.Logger
	inherited *systemd.Listeners // nil: systemd passed none
	cert      *certificate       // of the public one; nil without TLS
	// public and admin are nil before bind; admin also where it is off.
	public, admin net.Listener
	// activated: systemd has the public socket and goes on listening when this
	// process has ended.
	activated bool
}

// bind listens at the configured addresses. After an error it listens at none.
func (l *listeners) bind(cfg *configs.Config) (err error) {
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if l.public, l.activated, err = l.listen("listen", cfg.Listen, "public", "bridge.socket"); err != nil {
		return err
	}
	if l.cert != nil {
		l.public = engineio.NewTLSListener(l.public, l.cert.config())
	}
	if cfg.Admin.Listen != "" {
		if l.admin, _, err = l.listen("admin.listen", cfg.Admin.Listen, "admin", "bridge-admin.socket"); err != nil {
			return err
		}
	}
	return l.closeUnused()
}

// listen takes the socket of one of the names from systemd, or binds the
// address.
func (l *listeners) listen(key, address string, names ...string) (ln net.Listener, inherited bool, err error) {
	if l.inherited != nil {
		if ln := l.inherited.Take(names...); ln != nil {
			l.log.Info("took over a socket from systemd", "key", key, "address", ln.Addr().String())
			return ln, true, nil
		}
	}
	if ln, err = net.Listen("tcp", address); err != nil {
		return nil, false, &ListenError{key, address, err}
	}
	return ln, false, nil
}

// closeUnused closes sockets from systemd that have no use here: clients that
// connect to one would wait for ever.
func (l *listeners) closeUnused() error {
	if l.inherited == nil {
		return nil
	}
	if left := l.inherited.Left(); len(left) > 0 {
		l.log.Warn("systemd passed sockets that nothing serves; set FileDescriptorName= to public or admin in their units", "names", left)
	}
	return l.inherited.Close()
}

// close closes what is bound. It may be called again.
func (l *listeners) close() {
	for _, ln := range []net.Listener{l.public, l.admin} {
		if ln != nil {
			_ = ln.Close() // it may be closed already
		}
	}
}

// ListenError is an address that cannot be listened on.
type ListenError struct {
	Key, Address string
	Err          error
}

// Error names the setting, the address and the remedy.
func (e *ListenError) Error() string {
	remedy := "set " + e.Key + " to an address of this machine"
	switch {
	case errors.Is(e.Err, syscall.EADDRINUSE):
		remedy = "another process has this port: end it, or set " + e.Key + " to another one"
	case errors.Is(e.Err, syscall.EACCES):
		remedy = "ports below 1024 need a right (AmbientCapabilities=CAP_NET_BIND_SERVICE); or set " + e.Key + " to a higher one"
	}
	err := e.Err
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		err = op.Err // without the address, which is said
	}
	return fmt.Sprintf("%s = %q: %v: %s", e.Key, e.Address, err, remedy)
}

// ExitCode is 2, a wrong configuration; 1 for an address in use, which may become free.
func (e *ListenError) ExitCode() int {
	if errors.Is(e.Err, syscall.EADDRINUSE) {
		return 1
	}
	return 2
}

// Unwrap returns the system's error.
func (e *ListenError) Unwrap() error { return e.Err }
