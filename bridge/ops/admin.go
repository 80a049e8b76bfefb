package ops

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"

	"chatbridge/bridge/access"
	"chatbridge/bridge/gateway"
	"chatbridge/bridge/gateway/spool"
	"chatbridge/internal/jsonscan"
)

// Admin is what the admin listener serves. Its functions may be called from
// any goroutine.
type Admin struct {
	Snapshot  func() Snapshot
	Readiness func() Readiness
	// Console serves the page at /, what it reads below /console/, and the documents
	// below /docs/. SignIn answers at / and below /console/ who has not shown the Token.
	// Both may be nil.
	Console, SignIn http.Handler
	// Gateway serves gateway.AdminPath; nil without a gateway.
	Gateway http.Handler
	// Spool serves spool.AdminPath; nil without one.
	Spool http.Handler
	// Token, where not empty, is asked for: as `Authorization: Bearer`, or as the
	// password of any user, which browsers send. Without it the probes answer as
	// on the public listener, and all else is refused.
	Token string
	// Wrong counts and slows wrong values of the Token; nil for one of the Admin's own.
	Wrong *WrongTokens
	// Trusted are the proxies that are believed which address a client has.
	Trusted access.Addresses
	// Local tells that the listener is for this machine alone. Elsewhere nothing
	// can be changed without a Token.
	Local  bool
	Logger *slog.Logger
}

// Handler serves /metrics, /status, the page at /, the probes, the gateway's
// mode and its spool, to those who may. On a loopback address it refuses requests for another host
// name, see access.Loopback, and on others without a token those of browsers for a name that
// anybody may have, see access.Rebound.
func (a Admin) Handler() http.Handler {
	if a.Wrong == nil {
		a.Wrong = new(WrongTokens)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metricsHandler(a.Snapshot, a.Logger))
	if a.Console != nil {
		mux.Handle("/{$}", a.Console)
		mux.Handle("/console/", a.Console)
		mux.Handle("/docs/", a.Console)
	}
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		s := a.Snapshot()
		writeJSON(w, http.StatusOK, s.status())
	})
	Probes(mux, a.Readiness)
	if a.Gateway != nil {
		mux.Handle(gateway.AdminPath, a.Gateway)
	}
	if a.Spool != nil {
		mux.Handle(spool.AdminPath, a.Spool)
	}
	return access.Loopback(a.authorize(mux))
}

// authorize lets requests through that show the token, where one is needed.
func (a Admin) authorize(next http.Handler) http.Handler {
	probes, public := http.NewServeMux(), http.NewServeMux()
	PublicProbes(probes, a.Readiness)
	if a.SignIn != nil {
		public.Handle("/{$}", a.SignIn)
		public.Handle("/console/", a.SignIn)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown := shownToken(r)
		switch {
		case a.Token != "" && !sameToken(shown, a.Token):
			// A wrong token is counted wherever it is shown: each answer tells that it is wrong.
			admitted := shown == "" || a.Wrong.admits(r, a.Trusted, a.Logger)
			if _, pattern := probes.Handler(r); pattern != "" {
				probes.ServeHTTP(w, r)
				return
			}
			if !admitted {
				a.Wrong.refuse(w, r)
				return
			}
			if _, pattern := public.Handler(r); pattern != "" {
				public.ServeHTTP(w, r)
				return
			}
			w.Header().Set("WWW-Authenticate", challenge(r))
			http.Error(w, "admin.token is asked for: Authorization: Bearer …, or as the password", http.StatusUnauthorized)
		case a.Token == "" && access.Rebound(r, a.Trusted) && !a.Local:
			if _, pattern := probes.Handler(r); pattern != "" {
				probes.ServeHTTP(w, r)
				return
			}
			http.Error(w, "without admin.token this listener answers browsers by its address, or by a name that is in no public DNS, because a page of another site could come by a name of its own: set admin.token, or open it by its address; behind a reverse proxy, list that in proxies.trusted", http.StatusForbidden)
		case a.Token == "" && !a.Local && r.Method != http.MethodGet && r.Method != http.MethodHead:
			http.Error(w, "nothing can be changed on an address that others reach without a token: set admin.token, or admin.listen to 127.0.0.1", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// challenge asks for the token: whoever opens an address in a browser by its dialog, but a
// page's script, which asks by itself, without one.
func challenge(r *http.Request) string {
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" && mode != "navigate" {
		return `Bearer realm="chatbridge"`
	}
	return `Basic realm="chatbridge", charset="UTF-8"`
}

// PublicProbes adds /healthz and /readyz to mux as everybody may see them.
func PublicProbes(mux *http.ServeMux, readiness func() Readiness) {
	Probes(mux, func() Readiness { return readiness().Public() })
}

// Probes adds /healthz and /readyz to mux.
func Probes(mux *http.ServeMux, readiness func() Readiness) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, Readiness{Status: ReadyOK, Reason: "the process serves"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		r := readiness()
		code := http.StatusOK
		if !r.OK() {
			code = http.StatusServiceUnavailable
		}
		writeJSON(w, code, r.withoutRepetition())
	})
}

func writeJSON(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	text, err := jsonscan.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(code)
	var b bytes.Buffer
	_ = json.Indent(&b, text, "", "  ") // it is valid
	b.WriteByte('\n')
	_, _ = w.Write(b.Bytes()) // the client has left
}
