package bridge

import (
	"net"
	"net/http"
	"sync"

	"chatbridge/bridge/access"
	"chatbridge/bridge/console"
	"chatbridge/bridge/ops"
	"chatbridge/bridge/rest"
	"chatbridge/configs"
)

// publicHandler serves the two probes and the contract's path; with a gateway,
// everything that ChatEngine serves; without one, where rest.enabled is set, ChatEngine's
// REST interface. It compares paths as they came and redirects nobody: what is another path
// for ChatEngine is another path here.
func (d *Daemon) publicHandler() http.Handler {
	probes := http.NewServeMux()
	ops.PublicProbes(probes, d.observer.readiness)
	others, alone := d.api.Handler(), d.rest != nil
	if d.gateway != nil {
		others, alone = d.gateway, false
	}
	if c := clusterOf(d.source); c != nil {
		others = c.forwards.before(others)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch access.RawPath(r) {
		case "/healthz", "/readyz":
			if !access.CORS(w, r, d.api.AdmitsOrigin) {
				probes.ServeHTTP(w, r)
			}
		default:
			if alone && rest.Below(r) && !access.Below(access.RawPath(r), d.cfg.Path) {
				d.rest.ServeHTTP(w, r)
				return
			}
			others.ServeHTTP(w, r)
		}
	})
}

// adminHandler serves the operator: on a listener of its own, which is not
// for the public. A reload changes the token that it asks for.
func (d *Daemon) adminHandler() http.Handler {
	var (
		mu      sync.Mutex
		token   configs.Secret
		handler http.Handler
	)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := d.reload.config().Admin.Token
		mu.Lock()
		if handler == nil || token != now {
			token, handler = now, d.adminHandlerFor(now)
		}
		current := handler
		mu.Unlock()
		current.ServeHTTP(w, r)
	})
}

func (d *Daemon) adminHandlerFor(token configs.Secret) http.Handler {
	a := ops.Admin{
		Snapshot: d.Snapshot, Readiness: d.observer.readiness, Logger: d.log,
		Token: token.Reveal(), Wrong: &d.observer.wrongTokens, Trusted: d.cfg.Proxies.Trusted,
		Local: isLocal(d.AdminAddr()), SignIn: console.SignIn(),
	}
	a.Console = d.console.Handler(mayBy(a))
	if d.gateway != nil {
		a.Gateway = d.gateway.Admin()
		if s := d.gateway.Spool(); s != nil {
			a.Spool = s.Admin()
		}
	}
	return a.Handler()
}

// mayBy returns what visitors of the operator's page may do: without a token, on an address
// that is not this machine's alone, they may change nothing and do not see who is connected.
func mayBy(a ops.Admin) console.May {
	if a.Local || a.Token != "" {
		return console.May{}
	}
	return console.May{
		Refuses:     "Others reach this address, and no token is set: nothing can be changed here. Set admin.token.",
		HidesPeople: "Others reach this address, and no token is set: who is connected is not shown. Set admin.token.",
	}
}

// isLocal reports whether only this machine reaches an address: loopback, or a Unix
// socket.
func isLocal(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return !ok || tcp.IP.IsLoopback()
}
