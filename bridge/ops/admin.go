package ops

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"

	"chatbridge/bridge/access"
	"chatbridge/bridge/gateway"
	"chatbridge/internal/jsonscan"
)

// Admin is what the admin listener serves. Its functions may be called from
// any goroutine.
type Admin struct {
	Snapshot  func() Snapshot
	Readiness func() Readiness
	// Gateway serves gateway.AdminPath; nil without a gateway.
	Gateway http.Handler
	Logger  *slog.Logger
}

// Handler serves /metrics, /status, the console at /, the probes and the gateway's
// mode. On a loopback address it refuses requests for another host name, see
// access.Loopback.
func (a Admin) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metricsHandler(a.Snapshot, a.Logger))
	mux.HandleFunc("GET /{$}", serveConsole)
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		s := a.Snapshot()
		writeJSON(w, http.StatusOK, s.status())
	})
	Probes(mux, a.Readiness)
	if a.Gateway != nil {
		mux.Handle(gateway.AdminPath, a.Gateway)
	}
	return access.Loopback(mux)
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
		writeJSON(w, code, r)
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
