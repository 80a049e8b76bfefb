package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	"chatbridge/bridge/access"
	"chatbridge/bridge/gateway/spool"
)

// Webhooks are the requests that are kept while ChatEngine cannot take them.
type Webhooks struct {
	// Spool keeps them; nil keeps none.
	Spool *spool.Spool
	// Paths are theirs, as they are in the request line. Only POSTs count.
	Paths []string
	// Admit reports whether the client of a request may have it kept; nil admits all.
	Admit func(*http.Request) bool
}

// Spool returns what keeps webhooks, nil for nothing.
func (g *Gateway) Spool() *spool.Spool { return g.opts.Webhooks.Spool }

// keeps reports whether a request is one of the webhooks that are kept. The path is
// compared as it came: what ChatEngine might take for the same by cleaning it up is
// passed on as any other request.
func (g *Gateway) keeps(r *http.Request, path string) bool {
	w := &g.opts.Webhooks
	return w.Spool != nil && r.Method == http.MethodPost && slices.Contains(w.Paths, path) && (w.Admit == nil || w.Admit(r))
}

// serveWebhook passes a webhook on once it has come completely, and keeps it where
// ChatEngine does not take it. While others wait it is kept behind them.
func (g *Gateway) serveWebhook(w http.ResponseWriter, r *http.Request) {
	leave, ok := g.enter(w, r, false)
	if !ok {
		return
	}
	defer leave()
	g.count.passed.Add(1)
	s := g.opts.Webhooks.Spool
	s.AwaitOpen()
	body, release, err := s.ReadBody(w, r)
	defer release()
	switch {
	case errors.Is(err, spool.ErrLarge) && g.passesWebhooks():
		g.streamWebhook(w, r, body, leave)
		return
	case err != nil:
		g.refuseWebhook(w, r, err)
		return
	}
	hook := g.webhook(r, body)
	if g.passesWebhooks() && g.tryWebhook(w, r, hook) {
		return
	}
	if err := s.Keep(hook); err != nil {
		g.refuseWebhook(w, r, err)
		return
	}
	access.Answer(w, r, g.opts.AdmitOrigin, http.StatusOK, access.Body{Message: "kept: ChatEngine gets it when it is back"})
}

// passesWebhooks reports whether a webhook can go to ChatEngine at once.
func (g *Gateway) passesWebhooks() bool {
	status := g.Status()
	return g.opts.Webhooks.Spool.Empty() && (status.Healthy || status.Probed.IsZero() || status.Mode == HoldUpstream)
}

// tellSpool tells the spool whether ChatEngine is well, by the last probe, or by an
// operator who holds it to be.
func (g *Gateway) tellSpool() {
	if s := g.opts.Webhooks.Spool; s != nil {
		status := g.Status()
		s.SetWell(status.Healthy || status.Mode == HoldUpstream)
	}
}

// tryWebhook passes a webhook on, and reports whether ChatEngine took it, or refused
// it for good. It goes on when the client leaves: who sent the webhook may not send it
// again, and must find it either taken or kept.
func (g *Gateway) tryWebhook(w http.ResponseWriter, r *http.Request, hook *spool.Webhook) (answered bool) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(r.Context()))
	defer cancel(nil)
	defer g.webhooks.add(func() { cancel(errClosed) })()
	resp, done, err := g.opts.Webhooks.Spool.Try(ctx, hook, g.deliver)
	if err != nil {
		g.noteWebhookFailed(r, err)
		return false
	}
	defer done()
	defer resp.Body.Close()
	maps.Copy(w.Header(), endToEnd(resp.Header))
	w.WriteHeader(resp.StatusCode)
	if _, err := io.Copy(w, resp.Body); err != nil {
		panic(http.ErrAbortHandler) // the client must not take it for the whole answer
	}
	return true
}

// noteWebhookFailed counts what ChatEngine did not take as its failure, where it is one.
func (g *Gateway) noteWebhookFailed(r *http.Request, err error) {
	var status *spool.StatusError
	switch {
	case errors.Is(err, errClosed):
	case errors.Is(err, spool.ErrNoAnswer):
		g.failed(r, false, errTimeout)
	case !errors.As(err, &status):
		g.failed(r, false, err)
	case status.Code >= 500:
		g.failed(r, false, errStatus{status.Status})
	}
}

// streamWebhook passes on one that is too large to be kept. readAhead is what was read of
// its body.
func (g *Gateway) streamWebhook(w http.ResponseWriter, r *http.Request, readAhead []byte, leave func()) {
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(readAhead), r.Body), r.Body}
	g.exchange(w, r, r.Context(), &exchange{in: r, leave: leave})
}

// refuseWebhook tells the sender to send it again, where that can help.
func (g *Gateway) refuseWebhook(w http.ResponseWriter, r *http.Request, err error) {
	g.opts.Webhooks.Spool.NoteRefused(err, g.clientAddr(r).String())
	if errors.Is(err, spool.ErrBody) {
		w.Header().Set("Connection", "close")
		access.Answer(w, r, g.opts.AdmitOrigin, http.StatusRequestTimeout, access.Body{Message: spool.ErrBody.Error()})
		return
	}
	why := "the webhook could not be kept"
	for _, known := range []error{spool.ErrFull, spool.ErrLarge, spool.ErrMemory} {
		if errors.Is(err, known) {
			why = known.Error()
		}
	}
	if errors.Is(err, spool.ErrLarge) || errors.Is(err, spool.ErrMemory) {
		// Its body was not read, and is not waited for.
		w.Header().Set("Connection", "close")
		_ = http.NewResponseController(w).SetReadDeadline(time.Now())
	}
	w.Header().Set("Retry-After", "10")
	access.Answer(w, r, g.opts.AdmitOrigin, http.StatusServiceUnavailable, access.Body{Message: why})
}

// webhook is a request as ChatEngine is to get it, now or later.
func (g *Gateway) webhook(r *http.Request, body []byte) *spool.Webhook {
	header := endToEnd(r.Header)
	header.Del("Expect")
	header.Del("Content-Length")
	g.forwardHeaders(header, r)
	return &spool.Webhook{
		Path: access.RawPath(r), Query: r.URL.RawQuery, Header: header, Body: body, From: g.clientAddr(r).String(),
	}
}

// deliver is a spool.Deliver.
func (g *Gateway) deliver(ctx context.Context, hook *spool.Webhook) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://chatengine", bytes.NewReader(hook.Body))
	if err != nil {
		return nil, err
	}
	req.URL = g.upstream.url(hook.Path, hook.Query)
	req.Host = ""
	req.Header = hook.Header.Clone()
	if !slices.Contains(req.Header[hopHeader], g.upstream.id) {
		req.Header.Add(hopHeader, g.upstream.id) // it was kept by an earlier process
	}
	if _, ok := req.Header["User-Agent"]; !ok {
		req.Header.Set("User-Agent", "") // or Go would name itself
	}
	resp, err := g.upstream.transport.RoundTrip(req)
	if err == nil {
		if err = g.upstream.checkLoop(resp.Header); err != nil {
			resp.Body.Close()
			return nil, err
		}
	}
	return resp, err
}
