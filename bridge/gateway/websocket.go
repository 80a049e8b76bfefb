package gateway

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"chatbridge/bridge/gateway/handover"
)

// proxyWebSocket proxies a WebSocket on the Socket.IO path, or has the bridge
// serve it where ChatEngine does not take it. It returns when the connection
// has ended.
func (g *Gateway) proxyWebSocket(w http.ResponseWriter, r *http.Request) {
	leave, ok := g.enter(w, r, opensSession(r))
	if !ok {
		return
	}
	defer leave()
	g.serving.Add(1)
	defer g.serving.Done()
	ctx, cancel := context.WithTimeout(r.Context(), g.opts.HandshakeTimeout)
	up, resp, err := g.upstream.handshake(ctx, g.upgradeRequest(ctx, r), opensSession(r))
	cancel()
	if err == nil && resp.StatusCode >= 500 {
		up.Close()
		err = errStatus{resp.Status}
	}
	if err != nil {
		if r.Context().Err() != nil {
			return // the client left
		}
		g.failed(r, true, err)
		leave()
		if !g.rescue(w, r) {
			g.unavailable(w, r, err)
		}
		return
	}
	defer up.Close()
	if evidence(r) {
		g.monitor.sessionOpened()
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		up.SetDeadline(time.Now().Add(g.opts.HandshakeTimeout))
		relay(w, resp)
		return
	}
	t, err := g.hijack(w, resp, up)
	if err != nil {
		g.log.Debug("take over websocket", "error", err)
		return
	}
	t.packets = packetLimit{limits: g.admission.limits.Load, refused: func() { g.notePackets(r) }}
	if opensSession(r) {
		// An upgrade of a polling session has had its CONNECT before, which tells whose it is.
		t.texts = newPassedTexts(g.opts.Texts, r)
	}
	g.count.upgraded.Add(1)
	g.count.websockets.Add(1)
	defer g.count.websockets.Add(-1)
	defer g.connections.add(t.close)()
	if g.opts.CatchUp > 0 && opensSession(r) {
		// An upgrade of a polling session has had its CONNECT before; there is
		// nothing to go by.
		t.handover = g.handovers.Start(r, endToEnd(r.Header),
			handover.Side{R: t.clientR, Write: t.toClient},
			handover.Side{R: t.upstreamR, Write: t.toUpstream})
	}
	if t.run() {
		// One ended connection proves nothing, ChatEngine closes clients for its
		// own reasons; with the probe failing it does.
		g.count.broken.Add(1)
		g.monitor.suspect()
	}
}

// upgradeRequest is the upgrade request for ChatEngine.
func (g *Gateway) upgradeRequest(ctx context.Context, r *http.Request) *http.Request {
	out := r.Clone(ctx)
	out.Header = endToEnd(r.Header)
	out.Header.Set("Connection", "Upgrade")
	out.Header.Set("Upgrade", "websocket")
	if g.opts.CatchUp > 0 {
		// The frames must be readable during a hand-over. Node's socket.io does
		// not compress by default either.
		out.Header.Del("Sec-Websocket-Extensions")
	}
	if out.Header.Get("User-Agent") == "" {
		out.Header.Set("User-Agent", "") // none, rather than Go's
	}
	g.forwardHeaders(out.Header, r)
	out.URL = g.upstream.target(r)
	out.Host = out.URL.Host
	out.Body, out.ContentLength, out.TransferEncoding = nil, 0, nil
	return out
}

// relay passes on an answer that is no upgrade: a refusal of ChatEngine's.
func relay(w http.ResponseWriter, resp *http.Response) {
	defer resp.Body.Close()
	for name, values := range endToEnd(resp.Header) {
		w.Header()[name] = values
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body) // the client sees a short body, as it would have
}

// hijack takes the client's connection over and passes the upgrade on.
func (g *Gateway) hijack(w http.ResponseWriter, resp *http.Response, up *upstreamConn) (*tunnel, error) {
	client, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "this connection cannot be upgraded", http.StatusInternalServerError)
		return nil, err
	}
	header := endToEnd(resp.Header)
	header.Set("Connection", "Upgrade")
	header.Set("Upgrade", resp.Header.Get("Upgrade"))
	head := rw.Writer
	fmt.Fprintf(head, "HTTP/1.1 101 Switching Protocols\r\n")
	err = client.SetDeadline(time.Now().Add(g.writeTimeout()))
	if err == nil {
		err = header.Write(head)
	}
	if err == nil {
		head.WriteString("\r\n")
		head.Write(up.open.Raw)
		err = head.Flush()
	}
	if err == nil {
		err = client.SetDeadline(time.Time{})
	}
	if err != nil {
		client.Close()
		return nil, err
	}
	return &tunnel{
		client: client, clientR: rw.Reader,
		upstream: up.Conn, upstreamR: up.r,
		writeTimeout: g.writeTimeout,
	}, nil
}
