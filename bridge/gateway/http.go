package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"time"
)

// newProxy is for all that is not a WebSocket on the Socket.IO path. Bodies
// stream both ways: each write of ChatEngine's is flushed at once.
func (g *Gateway) newProxy() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Transport:      g.upstream.transport,
		FlushInterval:  -1,
		Rewrite:        g.rewrite,
		ModifyResponse: g.checkAnswer,
		ErrorHandler:   g.proxyFailed,
		ErrorLog:       slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
	}
}

func (g *Gateway) rewrite(pr *httputil.ProxyRequest) {
	u := g.upstream.url(pr.In.URL.Path, pr.In.URL.RawQuery)
	if pr.In.URL.RawPath != "" { // keep escaped slashes as they came
		u.RawPath = g.upstream.url(pr.In.URL.EscapedPath(), "").Path
	}
	pr.Out.URL = u
	pr.Out.Host = "" // ChatEngine's own name, which virtual hosts need
	g.forwardHeaders(pr.Out.Header, pr.In)
}

// proxyOther proxies a request that is not on the Socket.IO path.
func (g *Gateway) proxyOther(w http.ResponseWriter, r *http.Request) {
	g.count.passed.Add(1)
	if r.ContentLength != 0 {
		// Go's server would otherwise read the whole body before it lets an
		// answer begin. Not supported means HTTP/2, where it is so anyway.
		_ = http.NewResponseController(w).EnableFullDuplex()
	}
	g.proxy.ServeHTTP(w, r)
}

// session is a proxied Socket.IO request; it travels in the request's context.
type session struct {
	in    *http.Request
	timer *time.Timer // until the answer begins; nil where it does not open a session
}

type sessionKey struct{}

// errClosed is the cause of a proxied request's end that the gateway closed.
var errClosed = errors.New("closed by the gateway")

// proxySession proxies a Socket.IO request that is not a WebSocket: a poll, a
// POST, a preflight. One that opens a session must be answered in time, and is
// served locally where it is not; a poll may take its ping interval.
func (g *Gateway) proxySession(w http.ResponseWriter, r *http.Request) {
	g.count.polled.Add(1)
	g.count.requests.Add(1)
	defer g.count.requests.Add(-1)
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	defer g.connections.add(func() { cancel(errClosed) })()
	s := &session{in: r}
	if opensSession(r) {
		s.timer = time.AfterFunc(g.opts.HandshakeTimeout, func() { cancel(errTimeout) })
		defer s.timer.Stop()
	}
	g.proxy.ServeHTTP(w, r.WithContext(context.WithValue(ctx, sessionKey{}, s)))
}

// checkAnswer inspects ChatEngine's answer before any of it is passed on.
func (g *Gateway) checkAnswer(resp *http.Response) error {
	s, ok := resp.Request.Context().Value(sessionKey{}).(*session)
	if !ok || s.timer == nil {
		return nil
	}
	s.timer.Stop()
	if resp.StatusCode >= 500 {
		return errStatus{resp.Status}
	}
	g.monitor.sessionOpened()
	return nil
}

// sessionFailed notes that ChatEngine failed a session.
func (g *Gateway) sessionFailed(err error) {
	g.count.failures[classify(err)].Add(1)
	g.monitor.sessionFailed(err)
}

// proxyFailed answers where ChatEngine did not. Nothing has been written yet.
func (g *Gateway) proxyFailed(w http.ResponseWriter, out *http.Request, err error) {
	ctx := out.Context()
	s, ok := ctx.Value(sessionKey{}).(*session)
	cause := context.Cause(ctx)
	switch {
	case ok && s.in.Context().Err() != nil, !ok && ctx.Err() != nil:
		return // the client left
	case errors.Is(cause, errClosed):
		// Not ChatEngine's doing.
	case ok:
		if errors.Is(cause, errTimeout) {
			err = errTimeout
		}
		g.sessionFailed(err)
	default:
		g.count.failures[classify(err)].Add(1)
		g.monitor.suspect()
	}
	if ok && g.rescue(w, s.in) {
		return
	}
	unavailable(w, err)
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
