package bridge

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
)

// Listen binds the public and the admin address, so that a port that is taken
// is known before anything else begins. Addr and AdminAddr tell what was
// bound.
func (d *Daemon) Listen() error {
	public, err := listen("listen", d.cfg.Listen)
	if err != nil {
		return err
	}
	if files := d.cfg.TLS; files.CertFile != "" {
		cert, err := loadCertificate(files.CertFile, files.KeyFile, d.log)
		if err != nil {
			return errors.Join(err, public.Close())
		}
		public = tls.NewListener(public, cert.config())
	}
	if d.cfg.Admin.Listen != "" {
		if d.admin, err = listen("admin.listen", d.cfg.Admin.Listen); err != nil {
			return errors.Join(err, public.Close())
		}
	}
	d.public = public
	return nil
}

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

func listen(key, address string) (net.Listener, error) {
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
	mux.HandleFunc("GET /healthz", d.serveHealthz)
	mux.HandleFunc("GET /readyz", d.serveReadyz)
	local := d.admit(d.server.IO())
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
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", d.serveStatus)
	mux.HandleFunc("GET /healthz", d.serveHealthz)
	mux.HandleFunc("GET /readyz", d.serveReadyz)
	return mux
}
