package bridge

import (
	"net"
	"net/http"

	"chatbridge/bridge/ops"
)

// publicHandler serves the contract's path and the two probes; behind them,
// with a gateway, everything that ChatEngine serves.
func (d *Daemon) publicHandler() http.Handler {
	mux := http.NewServeMux()
	ops.PublicProbes(mux, d.observer.readiness)
	if d.gateway != nil {
		mux.Handle("/", d.gateway)
		return mux
	}
	local := d.api.Handler()
	mux.Handle(d.cfg.Path, local)
	mux.Handle(d.cfg.Path+"/", local)
	return mux
}

// adminHandler serves the operator: on a listener of its own, which is not
// for the public.
func (d *Daemon) adminHandler() http.Handler {
	a := ops.Admin{
		Snapshot: d.Snapshot, Readiness: d.observer.readiness, Logger: d.log,
		Token: d.cfg.Admin.Token.Reveal(), Local: isLocal(d.AdminAddr()),
	}
	if d.gateway != nil {
		a.Gateway = d.gateway.Admin()
	}
	return a.Handler()
}

// isLocal reports whether only this machine reaches an address: loopback, or a Unix
// socket.
func isLocal(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return !ok || tcp.IP.IsLoopback()
}
