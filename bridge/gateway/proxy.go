package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"syscall"
	"time"
)

// dialer connects to ChatEngine.
func dialer(o Options) *net.Dialer {
	return &net.Dialer{Timeout: o.DialTimeout, KeepAlive: 15 * time.Second}
}

// newProxy is for all that is not a websocket on the Socket.IO path. Bodies
// stream both ways: each write of ChatEngine's is flushed at once.
func (g *Gateway) newProxy() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Transport:      g.transport,
		FlushInterval:  -1,
		Rewrite:        g.rewrite,
		ModifyResponse: g.judge,
		ErrorHandler:   g.proxyFailed,
		ErrorLog:       slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
	}
}

func (g *Gateway) rewrite(pr *httputil.ProxyRequest) {
	u := g.target(pr.In.URL.Path, pr.In.URL.RawQuery)
	if pr.In.URL.RawPath != "" { // keep escaped slashes as they came
		u.RawPath = g.target(pr.In.URL.EscapedPath(), "").Path
	}
	pr.Out.URL = u
	pr.Out.Host = "" // ChatEngine's own name, which virtual hosts need
	g.forwardHeaders(pr.Out.Header, pr.In)
}

// session is a proxied Socket.IO request; it travels in the request's context.
type session struct {
	in    *http.Request
	timer *time.Timer // until the answer begins
}

type sessionKey struct{}

// errCut and errLate are causes of a proxied request's end.
var (
	errCut  = errors.New("cut by the gateway")
	errLate = errors.New("no answer within the handshake time-out")
)

// errStatus is a 5xx where a session was to be opened.
type errStatus struct{ status string }

func (e errStatus) Error() string { return "answered " + e.status }

// proxySession proxies a Socket.IO request that is not a websocket: a poll, a
// POST, a preflight. One that opens a session must be answered in time, and is
// served locally where it is not; a poll may take its ping interval.
func (g *Gateway) proxySession(w http.ResponseWriter, r *http.Request) {
	g.count.polled.Add(1)
	g.count.requests.Add(1)
	defer g.count.requests.Add(-1)
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	defer g.cuts.add(func() { cancel(errCut) })()
	s := &session{in: r}
	if !r.URL.Query().Has("sid") {
		s.timer = time.AfterFunc(g.opts.HandshakeTimeout, func() { cancel(errLate) })
		defer s.timer.Stop()
	}
	g.proxy.ServeHTTP(w, r.WithContext(context.WithValue(ctx, sessionKey{}, s)))
}

// judge looks at ChatEngine's answer before any of it is passed on.
func (g *Gateway) judge(resp *http.Response) error {
	s, ok := resp.Request.Context().Value(sessionKey{}).(*session)
	if !ok || s.timer == nil {
		return nil
	}
	s.timer.Stop()
	if resp.StatusCode >= 500 {
		return errStatus{resp.Status}
	}
	g.answered()
	return nil
}

// proxyFailed answers where ChatEngine did not. Nothing has been written yet.
func (g *Gateway) proxyFailed(w http.ResponseWriter, out *http.Request, err error) {
	ctx := out.Context()
	s, ok := ctx.Value(sessionKey{}).(*session)
	cause := context.Cause(ctx)
	switch {
	case ok && s.in.Context().Err() != nil, !ok && ctx.Err() != nil:
		return // the client left
	case errors.Is(cause, errCut):
		// Not ChatEngine's doing.
	default:
		if errors.Is(cause, errLate) {
			err = errLate
		}
		f := classify(err)
		if ok {
			g.failed(f, err)
		} else {
			g.count.failures[f].Add(1)
			g.suspectNow()
		}
	}
	if ok && g.rescue(w, s.in) {
		return
	}
	unavailable(w, err)
}

// classify names what failed.
func classify(err error) failure {
	var op *net.OpError
	var status errStatus
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return failRefused
	case errors.As(err, &op) && op.Op == "dial":
		return failDial
	case errors.Is(err, errLate), errors.Is(err, context.DeadlineExceeded):
		return failAnswer
	case errors.As(err, &status):
		return failStatus
	}
	return failBroken
}

// unavailable is the answer where there is nothing behind the gateway. A
// Socket.IO client retries on it.
func unavailable(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Retry-After", "1")
	w.WriteHeader(http.StatusBadGateway)
	fmt.Fprintf(w, "{\"error\":\"ChatEngine does not answer\",\"reason\":%q}\n", classify(err).String())
}
