package control

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"chatbridge/bench/internal/event"
	"chatbridge/internal/recv"
	"chatbridge/socketio/engineio"
)

// Variables of the environment that all servers know.
const (
	// CertFile and KeyFile are those with which it serves TLS; without, it serves
	// without TLS.
	CertFile = "BENCH_CERT_FILE"
	KeyFile  = "BENCH_KEY_FILE"
	// Recover has a server keep what clients missed that come back: Node's
	// connection-state recovery, which the bridge always has.
	Recover = "BENCH_RECOVER"
	// Refill has the bridge wait with clients until a first publication has been handed
	// over, as after a restart until its log is filled.
	Refill = "BENCH_REFILL"
	// Locks has a Go server profile its locks.
	Locks = "BENCH_LOCKS"
)

// Server is what is measured.
type Server struct {
	// Handler serves the clients.
	Handler http.Handler
	// TLS, if not nil, is what the server has in place of tls.NewListener.
	TLS func(net.Listener, *tls.Config) net.Listener
	// Publish sends an event to the clients of its room. One goroutine at a time
	// calls it.
	Publish func(Event)
	// Published, if not nil, is called when a publication has been handed over that
	// no other one belongs to.
	Published func()
	// Queued, if not nil, is how many packets wait to be written to all clients.
	Queued func() int64
	// Get, if not nil, serves what else can be asked for.
	Get http.Handler
}

// Event is one that is to be sent.
type Event struct {
	// Seq is its number, Due when it was due, see event.Now.
	Seq, Due uint64
	// Room is the room it goes to, Sub which of the room's conversations it belongs to.
	// Room is -1 for everybody.
	Room, Sub int
}

// Conversation names the event's conversation as clients subscribe to it.
func (e Event) Conversation() string { return Conversation(e.Room, e.Sub) }

// Conversation names a conversation of a room.
func Conversation(room, sub int) string { return Workspace(room) + "-" + strconv.Itoa(sub) }

// Workspace names the workspace that a room is for the bridge; Secret is what its
// tokens are signed with.
func Workspace(room int) string { return "room-" + strconv.Itoa(room) }

const Secret = "the-secret-of-the-benchmarks-alone"

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
	var publishing sync.Mutex
	mux.HandleFunc("POST /publish", func(w http.ResponseWriter, r *http.Request) { s.publish(w, r, &publishing) })
	mux.HandleFunc("POST /gc", func(http.ResponseWriter, *http.Request) { debug.FreeOSMemory() })
	mux.HandleFunc("GET /goroutines", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, runtime.NumGoroutine()) })
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	if s.Get != nil {
		mux.Handle("GET /", s.Get)
	}
	if os.Getenv(Locks) != "" {
		runtime.SetMutexProfileFraction(1)
		runtime.SetBlockProfileRate(10_000)
	}

	if os.Getenv(CertFile) != "" {
		if clients, err = s.secure(clients); err != nil {
			return err
		}
	}
	ended := make(chan error, 2)
	servers := []*http.Server{
		{Handler: s.Handler, ReadHeaderTimeout: 10 * time.Second, ConnContext: engineio.ConnContext, ErrorLog: log.New(io.Discard, "", 0)},
		{Handler: mux},
	}
	go func() { ended <- servers[0].Serve(clients) }()
	go func() { ended <- servers[1].Serve(quiet{steer}) }()
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

// secure returns a listener with TLS upon another one.
func (s Server) secure(l net.Listener) (net.Listener, error) {
	pair, err := tls.LoadX509KeyPair(os.Getenv(CertFile), os.Getenv(KeyFile))
	if err != nil {
		return nil, err
	}
	upon := s.TLS
	if upon == nil {
		upon = tls.NewListener
	}
	return upon(l, &tls.Config{Certificates: []tls.Certificate{pair}}), nil
}

// publish sends ?count= events, ?rate= a second, and answers when the first one was due
// once the last one has been handed over. The other parameters are those of
// peer.Publication.
func (s Server) publish(w http.ResponseWriter, r *http.Request, publishing *sync.Mutex) {
	var errs []error
	number := func(name string) int {
		if r.FormValue(name) == "" {
			return 0
		}
		n, err := strconv.Atoi(r.FormValue(name))
		errs = append(errs, err)
		return n
	}
	count, rooms, first, subs, from, given := number("count"), number("rooms"), number("first"), number("subs"), number("from"), number("origin")
	ahead, check := number("ahead"), max(number("check"), 1)
	rate, err := strconv.ParseFloat(r.FormValue("rate"), 64)
	if err := errors.Join(append(errs, err)...); err != nil || rate <= 0 {
		http.Error(w, "ask for count and rate, both numbers: "+fmt.Sprint(err), http.StatusBadRequest)
		return
	}
	origin := uint64(given)
	if origin == 0 {
		origin = event.Now() - event.Since(from, rate)
	}
	var due *bufio.Reader // a byte for each event, when it is due
	if r.FormValue("paced") != "" {
		due = bufio.NewReader(r.Body)
	}
	for i := from; i < from+count; i++ {
		e := Event{Seq: uint64(i), Due: origin + event.Since(i, rate), Room: -1}
		if rooms > 0 {
			e.Room, e.Sub = first+i%rooms, i/rooms%max(subs, 1)
		}
		if due != nil {
			if _, err := due.ReadByte(); err != nil {
				return
			}
		} else if wait := time.Duration(e.Due - event.Now()); wait > 0 {
			time.Sleep(wait)
		}
		publishing.Lock()
		s.Publish(e)
		publishing.Unlock()
		if ahead > 0 && i%check == 0 {
			s.awaitWritten(r.Context(), int64(ahead))
		}
		if r.Context().Err() != nil {
			return
		}
	}
	if ahead > 0 {
		s.awaitWritten(r.Context(), 0)
	}
	if s.Published != nil && r.FormValue("more") == "" {
		s.Published()
	}
	fmt.Fprint(w, origin)
}

// quiet reads from what it accepts as the bridge reads from Postgres, so that learning
// that an event is due costs no server more than the bridge's own events do.
type quiet struct{ net.Listener }

func (l quiet) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return recv.NewPrompt(c), nil
}

// awaitWritten waits until at most so many packets wait.
func (s Server) awaitWritten(ctx context.Context, most int64) {
	for s.Queued != nil && s.Queued() > most && ctx.Err() == nil {
		time.Sleep(200 * time.Microsecond)
	}
}
