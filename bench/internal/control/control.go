package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"chatbridge/bench/internal/event"
)

// Server is what is measured.
type Server struct {
	// Handler serves the clients.
	Handler http.Handler
	// Publish sends the event number seq, due at the given time, to all
	// clients. One goroutine calls it.
	Publish func(seq, due uint64)
}

// Run serves until ctx ends: the clients on one port of its own, control on
// another. It prints both to standard output:
// {"event":"listening","addr":"127.0.0.1:1","control":"127.0.0.1:2"}.
func Run(ctx context.Context, s Server) error {
	clients, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	steer, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /publish", s.publish)
	mux.HandleFunc("POST /gc", func(http.ResponseWriter, *http.Request) { debug.FreeOSMemory() })
	mux.HandleFunc("GET /goroutines", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, runtime.NumGoroutine()) })
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)

	ended := make(chan error, 2)
	servers := []*http.Server{{Handler: s.Handler}, {Handler: mux}}
	go func() { ended <- servers[0].Serve(clients) }()
	go func() { ended <- servers[1].Serve(steer) }()
	fmt.Printf(`{"event":"listening","addr":%q,"control":%q}`+"\n", clients.Addr(), steer.Addr())
	select {
	case <-ctx.Done():
		err = nil
	case err = <-ended:
		ended <- nil // for the two receives below
	}
	for _, s := range servers {
		_ = s.Close()
	}
	for range servers {
		if e := <-ended; e != nil && !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// publish sends ?count= events, ?rate= a second, and answers when the last one
// has been handed over.
func (s Server) publish(w http.ResponseWriter, r *http.Request) {
	count, err1 := strconv.Atoi(r.FormValue("count"))
	rate, err2 := strconv.ParseFloat(r.FormValue("rate"), 64)
	if err := errors.Join(err1, err2); err != nil || rate <= 0 {
		http.Error(w, "ask for count and rate, both numbers: "+fmt.Sprint(err), http.StatusBadRequest)
		return
	}
	start := time.Now()
	origin := event.Now()
	for i := range count {
		due := time.Duration(float64(i) / rate * 1e9)
		if wait := due - time.Since(start); wait > 0 {
			time.Sleep(wait)
		}
		s.Publish(uint64(i), origin+uint64(due))
		if r.Context().Err() != nil {
			return
		}
	}
	fmt.Fprint(w, time.Since(start).Seconds())
}
