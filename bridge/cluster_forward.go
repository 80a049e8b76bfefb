package bridge

import (
	"context"
	"crypto/hmac"
	"encoding/hex"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"chatbridge/bridge/access"
	"chatbridge/bridge/cluster"
	"chatbridge/bridge/gateway"
	"chatbridge/bridge/logging"
)

const forwardHeader = cluster.ForwardHeader

const (
	// maxForwards bounds the requests that wait for other bridges.
	maxForwards = 4096
	// forwardDialTimeout bounds connecting to another bridge. After a failure that bridge is
	// not tried again for unreachableFor.
	forwardDialTimeout = 2 * time.Second
	unreachableFor     = 5 * time.Second
)

// forwarder passes on requests of other bridges' sessions to those bridges. A session's id
// names its bridge, and each bridge announces its own address over Redis, so that no client
// determines where a request goes. A request that was passed on is never passed on again.
type forwarder struct {
	self, secret string
	path         string
	trusted      access.Addresses
	peer         func(id string) (cluster.Peer, bool)
	log          *slog.Logger
	transport    *http.Transport
	running      atomic.Int64

	forwarded, failed atomic.Uint64

	mu          sync.Mutex
	unreachable map[string]time.Time // since when, by id

	ended context.Context // ends the requests that wait for other bridges
	end   context.CancelFunc
}

func newForwarder(self, secret, path string, trusted access.Addresses, peer func(string) (cluster.Peer, bool), log *slog.Logger) *forwarder {
	f := &forwarder{
		self: self, secret: secret, path: strings.TrimSuffix(path, "/"), trusted: trusted, peer: peer, log: log,
		unreachable: make(map[string]time.Time),
		transport: &http.Transport{ // without Proxy: it ignores HTTP_PROXY
			DialContext:         (&net.Dialer{Timeout: forwardDialTimeout}).DialContext,
			TLSHandshakeTimeout: forwardDialTimeout, MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute, DisableCompression: true,
		},
	}
	f.ended, f.end = context.WithCancel(context.Background())
	return f
}

// stop ends the requests that wait for other bridges.
func (f *forwarder) stop() {
	f.end()
	f.transport.CloseIdleConnections()
}

// sidPrefix returns what the session ids of a cluster's bridge begin with.
func sidPrefix(node string) string { return gateway.SIDPrefix + node + "-" }

// nodeOf returns the id of the bridge that a session id names, "" if it names none.
func nodeOf(sid string) string {
	rest, ok := strings.CutPrefix(sid, gateway.SIDPrefix)
	if node, _, named := strings.Cut(rest, "-"); ok && named && cluster.IsNodeID(node) {
		return node
	}
	return ""
}

// before passes on requests of other bridges' sessions, and all others to next.
func (f *forwarder) before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if shown := r.Header.Get(forwardHeader); shown != "" {
			r.Header.Del(forwardHeader)
			next.ServeHTTP(w, f.arrived(w, r, shown))
			return
		}
		if !access.Below(access.RawPath(r), f.path) {
			next.ServeHTTP(w, r)
			return
		}
		node := nodeOf(r.URL.Query().Get("sid"))
		if node == "" || node == f.self {
			next.ServeHTTP(w, r)
			return
		}
		p, ok := f.peer(node)
		if !ok || p.Address == nil || !f.reachable(node, time.Now()) {
			next.ServeHTTP(w, r) // answers that the session is unknown, and the client begins anew
			return
		}
		f.forward(w, r, &p, next)
	})
}

// arrived returns a request with its client's address, as another bridge has passed it on, and
// makes the answer name this bridge. Without a valid proof in shown it returns r unchanged.
func (f *forwarder) arrived(w http.ResponseWriter, r *http.Request, shown string) *http.Request {
	address, proof, _ := strings.Cut(shown, " ")
	got, err := hex.DecodeString(proof)
	if err != nil || !hmac.Equal(got, cluster.ForwardProof(f.secret, r.Method, r.URL.RequestURI(), address)) {
		return r
	}
	client, err := netip.ParseAddr(address)
	if err != nil {
		return r
	}
	w.Header().Set(cluster.NodeHeader, f.self)
	as := *r
	as.RemoteAddr = netip.AddrPortFrom(client, 0).String()
	as.Header = r.Header.Clone()
	as.Header.Del("X-Forwarded-For")
	return &as
}

func (f *forwarder) forward(w http.ResponseWriter, r *http.Request, p *cluster.Peer, next http.Handler) {
	if f.running.Add(1) > maxForwards {
		f.running.Add(-1)
		f.failed.Add(1)
		http.Error(w, "too many requests are with other bridges", http.StatusServiceUnavailable)
		return
	}
	defer f.running.Add(-1)
	client := access.ClientAddr(r, f.trusted)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(f.ended, cancel)()
	proxy := httputil.ReverseProxy{
		Transport: f.transport,
		ErrorLog:  logging.Library(f.log, slog.LevelDebug),
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.Out.URL.Scheme, pr.Out.URL.Host = p.Address.Scheme, p.Address.Host
			pr.Out.Host = pr.In.Host
			pr.Out.Header.Set(forwardHeader, cluster.Forwarded(p.About.Secret, pr.Out.Method, pr.Out.URL.RequestURI(), client.String()))
		},
		ModifyResponse: func(res *http.Response) error {
			res.Header.Del(cluster.NodeHeader) // meant for the bridges, not for clients
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			f.failed.Add(1)
			if r.Context().Err() == nil && f.ended.Err() == nil {
				f.lost(p, err)
			}
			next.ServeHTTP(w, r)
		},
	}
	f.forwarded.Add(1)
	proxy.ServeHTTP(w, r.WithContext(ctx))
}

// lost notes that a bridge could not be reached, and logs that once a minute at most.
func (f *forwarder) lost(p *cluster.Peer, err error) {
	now := time.Now()
	f.mu.Lock()
	before, known := f.unreachable[p.ID]
	f.unreachable[p.ID] = now
	for id, at := range f.unreachable {
		if now.Sub(at) > time.Minute {
			delete(f.unreachable, id)
		}
	}
	f.mu.Unlock()
	if !known || now.Sub(before) > time.Minute {
		f.log.Warn("a request of a session of another bridge could not be passed on: its client begins anew",
			"bridge", p.Address.String(), "error", err, "remedy", "see that the bridges reach each other at cluster.advertise")
	}
}

func (f *forwarder) reachable(id string, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	at, ok := f.unreachable[id]
	return !ok || now.Sub(at) > unreachableFor
}

// advertised returns the address at which other bridges reach this one, see
// cluster.Advertised.
func (d *Daemon) advertised() string {
	tcp, ok := d.listeners.public.Addr().(*net.TCPAddr)
	if !ok {
		return d.cfg.Cluster.Advertise
	}
	return cluster.Advertised(d.cfg.Cluster.Advertise, tcp.AddrPort(), d.cfg.TLS.CertFile != "", d.cfg.Cluster.RedisURL.Reveal())
}
