package bridge

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"syscall"

	"chatbridge/bridge/ops"
)

// Listen binds the public and the admin address, so that a port that is taken
// is known before anything else begins. Addr and AdminAddr tell what was
// bound.
func (d *Daemon) Listen() error {
	public, err := d.listen("listen", d.cfg.Listen, "public", "bridge.socket")
	if err != nil {
		return err
	}
	if files := d.cfg.TLS; files.CertFile != "" {
		cert, err := loadCertificate(files.CertFile, files.KeyFile, d.log)
		if err != nil {
			return errors.Join(err, public.Close())
		}
		d.cert = cert
		public = tls.NewListener(public, cert.config())
	}
	if d.cfg.Admin.Listen != "" {
		if d.admin, err = d.listen("admin.listen", d.cfg.Admin.Listen, "admin", "bridge-admin.socket"); err != nil {
			return errors.Join(err, public.Close())
		}
	}
	d.public = public
	return d.refuseLeft()
}

// refuseLeft closes sockets of systemd's that have no use here: clients that
// connect to one would wait for ever.
func (d *Daemon) refuseLeft() error {
	if d.inherited == nil {
		return nil
	}
	if left := d.inherited.Left(); len(left) > 0 {
		d.log.Warn("systemd passed sockets that nothing serves; set FileDescriptorName= to public or admin in their units", "names", left)
	}
	return d.inherited.Close()
}

// activated tells that systemd holds the public socket and goes on listening
// when this process has ended.
func (d *Daemon) activated() bool { return slices.Contains(d.taken, "listen") }

// Addr returns the public listener's address; nil before Listen.
func (d *Daemon) Addr() net.Addr { return d.public.Addr() }

// AdminAddr returns the admin listener's address; nil when it is off.
func (d *Daemon) AdminAddr() net.Addr {
	if d.admin == nil {
		return nil
	}
	return d.admin.Addr()
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
	return fmt.Sprintf("%s = %q: %v: %s", e.Key, e.Address, e.Err, remedy)
}

// Unwrap returns the system's error.
func (e *ListenError) Unwrap() error { return e.Err }

// listen takes the socket of one of the names from systemd, or binds the
// address.
func (d *Daemon) listen(key, address string, names ...string) (net.Listener, error) {
	if d.inherited != nil {
		if ln := d.inherited.Take(names...); ln != nil {
			d.log.Info("took over a socket from systemd", "key", key, "address", ln.Addr().String())
			d.taken = append(d.taken, key)
			return ln, nil
		}
	}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, &ListenError{key, address, err}
	}
	return ln, nil
}

// publicHandler serves the contract's path and the two probes; behind them,
// with a gateway, everything that ChatEngine serves.
func (d *Daemon) publicHandler() http.Handler {
	mux := http.NewServeMux()
	ops.Probes(mux, d.readiness)
	local := d.admit(d.active(d.afterRefill(d.server.IO())))
	if d.gateway != nil {
		mux.Handle("/", d.gateway)
		return mux
	}
	mux.Handle(d.cfg.Path, local)
	mux.Handle(d.cfg.Path+"/", local)
	return mux
}

// adminHandler serves the operator: on a listener of its own, which is not
// for the public.
func (d *Daemon) adminHandler() http.Handler {
	a := ops.Admin{Snapshot: d.Snapshot, Readiness: d.readiness, Logger: d.log}
	if d.gateway != nil {
		a.Gateway = d.gateway.Admin()
	}
	return a.Handler()
}
