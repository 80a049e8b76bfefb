package gateway

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync/atomic"
	"time"

	"chatbridge/bridge/access"
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
	pr.Out.URL = g.upstream.target(pr.In)
	pr.Out.Host = "" // ChatEngine's own name, which virtual hosts need
	if pr.Out.Header.Get("Upgrade") != "" {
		// Only WebSockets are tunnelled: by another protocol, such as h2c, a
		// client would send requests that nothing looks at.
		if exchangeOf(pr.In.Context()).opens == noSession && isWebSocket(pr.In) {
			pr.Out.Header.Set("Upgrade", "websocket")
		} else {
			pr.Out.Header.Del("Upgrade")
			pr.Out.Header.Del("Connection")
		}
	}
	g.forwardHeaders(pr.Out.Header, pr.In)
}

// opens is whether a request is Socket.IO's, and whether it opens a session.
type opens int

const (
	noSession   opens = iota // another path's
	openSession              // it belongs to a session
	newSession               // it opens one
)

// exchange is one proxied request; it travels in the request's context.
type exchange struct {
	in    *http.Request // the client's
	body  *body         // nil: it has none
	opens opens
	leave func()      // gives back what admission counted; may be repeated
	timer *time.Timer // until the answer begins; nil where it does not open a session
	// begun is called when the answer begins; nil unless the bridge can answer too.
	begun func()
}

type exchangeKey struct{}

// exchangeOf returns the exchange of a proxied request's context.
func exchangeOf(ctx context.Context) *exchange { return ctx.Value(exchangeKey{}).(*exchange) }

// evidence reports whether what becomes of a request says something of
// ChatEngine: it opens a session, and has no body, which the client alone may be
// the cause of not arriving.
func evidence(r *http.Request) bool {
	return r.Method == http.MethodGet && opensSession(r) && r.ContentLength == 0
}

// errClosed is the cause of a proxied request's end that the gateway closed.
var errClosed = errors.New("closed by the gateway")

// errSwitched: the answer of 101 to a request that did not ask for it.
var errSwitched = errors.New("ChatEngine switched to a protocol that it was not asked for")

// proxyOther proxies a request that is not on the Socket.IO path.
func (g *Gateway) proxyOther(w http.ResponseWriter, r *http.Request) {
	leave, ok := g.enter(w, r, false)
	if !ok {
		return
	}
	defer leave()
	g.count.passed.Add(1)
	x, ctx := &exchange{in: r, leave: leave}, r.Context()
	if g.stepsIn(r) {
		// A ChatEngine that hangs is not waited for longer than until it counts as down.
		closing, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		ctx, x.begun = closing, g.reads.add(func() { cancel(errClosed) })
		defer x.begun()
	}
	g.exchange(w, r, ctx, x)
}

// proxySession proxies a Socket.IO request that is not a WebSocket: a poll, a
// POST, a preflight. One that opens a session must be answered in time, and is
// served locally where it is not; a poll may take its ping interval.
func (g *Gateway) proxySession(w http.ResponseWriter, r *http.Request) {
	x := &exchange{in: r, opens: openSession}
	if opensSession(r) {
		x.opens = newSession
	}
	leave, ok := g.enter(w, r, x.opens == newSession)
	if !ok {
		return
	}
	x.leave = leave
	defer leave()
	g.count.polled.Add(1)
	g.count.requests.Add(1)
	defer g.count.requests.Add(-1)
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	defer g.connections.add(func() { cancel(errClosed) })()
	if x.opens == newSession {
		x.timer = time.AfterFunc(g.opts.HandshakeTimeout, func() { cancel(errTimeout) })
		defer x.timer.Stop()
	}
	if limit := g.admission.limits.Load().Payload; limit > 0 && r.ContentLength != 0 {
		r.Body = http.MaxBytesReader(w, r.Body, limit)
	}
	g.exchange(w, r, ctx, x)
}

// exchange passes a request on to ChatEngine, and its answer back.
func (g *Gateway) exchange(w http.ResponseWriter, r *http.Request, ctx context.Context, x *exchange) {
	if r.ContentLength != 0 {
		// Go's server would otherwise read the whole body before it lets an
		// answer begin. Not supported means HTTP/2, where it is so anyway.
		_ = http.NewResponseController(w).EnableFullDuplex()
		x.body = &body{ReadCloser: r.Body}
	}
	out := r.WithContext(context.WithValue(ctx, exchangeKey{}, x))
	if x.body != nil {
		out.Body = x.body
	}
	g.proxy.ServeHTTP(w, out)
}

// body is a client's, which notes how its reading ended.
type body struct {
	io.ReadCloser
	ended atomic.Pointer[error]
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.ended.CompareAndSwap(nil, &err)
	}
	return n, err
}

// fault returns why an exchange failed where that is the client's doing: its
// body could not be read, or did not come in time.
func (x *exchange) fault(timeout bool) (refusal, bool) {
	if x.body == nil {
		return 0, false
	}
	ended := x.body.ended.Load()
	var large *http.MaxBytesError
	switch {
	case ended == nil:
		return refuseBody, timeout
	case errors.As(*ended, &large):
		return refuseLarge, true
	case errors.Is(*ended, io.EOF), errors.Is(*ended, http.ErrBodyReadAfterClose):
		return 0, false
	}
	return refuseBody, true
}

// unread reports whether a body has not been read to its end as the answer begins.
// Its connection must end then: Go's server, in full duplex, reads the rest when the
// handler has returned, while it waits for the next request, and panics or takes the
// one for the other.
func (x *exchange) unread() bool { return x.body != nil && x.body.ended.Load() == nil }

// checkAnswer inspects ChatEngine's answer before any of it is passed on.
func (g *Gateway) checkAnswer(resp *http.Response) error {
	x := exchangeOf(resp.Request.Context())
	if x.opens == openSession && resp.StatusCode < 400 && x.in.Method != http.MethodOptions {
		g.sessions.answered(x.in.URL.Query().Get("sid"))
	}
	if x.unread() {
		resp.Header.Set("Connection", "close")
	}
	// The proxy would refuse it as well, and not close the connection.
	if resp.StatusCode == http.StatusSwitchingProtocols && !strings.EqualFold(resp.Header.Get("Upgrade"), resp.Request.Header.Get("Upgrade")) {
		return errSwitched
	}
	if x.begun != nil {
		x.begun()
		if cause := context.Cause(resp.Request.Context()); cause != nil {
			return cause // its body would end early
		}
		if isAway(resp.StatusCode) {
			return errStatus{resp.Status}
		}
	}
	if x.opens != newSession {
		return nil
	}
	x.timer.Stop()
	if err := g.upstream.checkLoop(resp.Header); err != nil {
		return err
	}
	if resp.StatusCode >= 500 {
		return errStatus{resp.Status}
	}
	if evidence(x.in) {
		g.monitor.sessionOpened()
	}
	return nil
}

// failed notes that ChatEngine did not answer a request. It counts against ChatEngine only if
// the request is evidence.
func (g *Gateway) failed(r *http.Request, onPath bool, err error) {
	switch {
	case ownLack(err):
		g.noteOwnLack(err)
	default:
		g.count.failures[classify(err)].Add(1)
		if onPath && evidence(r) {
			g.monitor.sessionFailed()
		}
	}
}

// proxyFailed answers where ChatEngine did not. Nothing has been written yet.
func (g *Gateway) proxyFailed(w http.ResponseWriter, out *http.Request, err error) {
	x := exchangeOf(out.Context())
	cause := context.Cause(out.Context())
	if x.in.Context().Err() != nil {
		return // the client left
	}
	if why, ok := x.fault(errors.Is(cause, errTimeout)); ok {
		g.refuse(w, x.in, why)
		return
	}
	switch {
	case errors.Is(cause, errClosed):
		// ChatEngine is not to blame.
	case errors.Is(cause, errTimeout):
		err = errTimeout
		fallthrough
	default:
		g.failed(x.in, x.opens != noSession, err)
	}
	x.leave()
	if x.opens != noSession && g.rescue(w, x.in) {
		return
	}
	if x.begun != nil {
		g.count.restRescued.Add(1)
		g.opts.Rest.ServeHTTP(w, x.in)
		return
	}
	if x.unread() {
		w.Header().Set("Connection", "close")
	}
	g.unavailable(w, x.in, err)
}

// unavailable is the answer where there is nothing behind the gateway. A
// Socket.IO client retries on it.
func (g *Gateway) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	if ownLack(err) {
		access.Answer(w, r, g.opts.AdmitOrigin, refused[refuseResources].status, refused[refuseResources].body)
		return
	}
	const what = "ChatEngine does not answer"
	access.Answer(w, r, g.opts.AdmitOrigin, http.StatusBadGateway,
		access.Body{Message: what, Error: what, Reason: classify(err).String()})
}
