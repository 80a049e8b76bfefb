package bridge

import (
	"net/http"

	"chatbridge/bridge/access"
	"chatbridge/bridge/console"
	"chatbridge/bridge/gateway"
	"chatbridge/bridge/metrics"
)

// publicHandler serves the contract's path and the two probes; behind them,
// with a gateway, everything that ChatEngine serves.
func (d *Daemon) publicHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", d.serveHealthz)
	mux.HandleFunc("GET /readyz", d.serveReadyz)
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
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics.Handler(d.Metrics, d.log))
	mux.Handle("GET /{$}", console.Handler())
	mux.HandleFunc("GET /status", d.serveStatus)
	mux.HandleFunc("GET /healthz", d.serveHealthz)
	mux.HandleFunc("GET /readyz", d.serveReadyz)
	if d.gateway != nil {
		mux.Handle(gateway.AdminPath, d.gateway.Admin())
	}
	return access.Loopback(mux)
}
