package gateway

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// linger is how long the rest of a proxied websocket is waited for after one
// side has ended.
const linger = time.Second

// proxyWebsocket proxies a websocket on the Socket.IO path, or has the bridge
// serve it where ChatEngine does not take it. It returns when the connection
// has ended.
func (g *Gateway) proxyWebsocket(w http.ResponseWriter, r *http.Request) {
	g.serving.Add(1)
	defer g.serving.Done()
	ctx, cancel := context.WithTimeout(r.Context(), g.opts.HandshakeTimeout)
	up, resp, err := g.handshake(ctx, g.websocketRequest(ctx, r), opens(r))
	cancel()
	if err == nil && resp.StatusCode >= 500 {
		up.Close()
		err = errStatus{resp.Status}
	}
	if err != nil {
		if r.Context().Err() != nil {
			return // the client left
		}
		g.failed(classify(err), err)
		if !g.rescue(w, r) {
			unavailable(w, err)
		}
		return
	}
	defer up.Close()
	g.answered()
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
	g.count.upgraded.Add(1)
	g.count.websockets.Add(1)
	defer g.count.websockets.Add(-1)
	defer g.cuts.add(t.cut)()
	if g.opts.CatchUp > 0 && opens(r) {
		// An upgrade of a polling session has had its CONNECT before; there is
		// nothing to go by.
		t.catchUp = newCatchUp(t, g, r)
	}
	if t.run() {
		// One ended connection proves nothing, ChatEngine closes clients for its
		// own reasons; with the probe failing it does.
		g.count.broken.Add(1)
		g.suspectNow()
	}
}

// opens tells whether the websocket opens a session, rather than being the
// upgrade of one by polling: then ChatEngine speaks first.
func opens(r *http.Request) bool { return !r.URL.Query().Has("sid") }

// websocketRequest is the upgrade request for ChatEngine.
func (g *Gateway) websocketRequest(ctx context.Context, r *http.Request) *http.Request {
	out := r.Clone(ctx)
	out.Header = endToEnd(r.Header)
	out.Header.Set("Connection", "Upgrade")
	out.Header.Set("Upgrade", "websocket")
	if g.opts.CatchUp > 0 {
		// The frames must be readable while the client is caught up. Node's
		// socket.io does not compress by default either.
		out.Header.Del("Sec-Websocket-Extensions")
	}
	if out.Header.Get("User-Agent") == "" {
		out.Header.Set("User-Agent", "") // none, rather than Go's
	}
	g.forwardHeaders(out.Header, r)
	out.URL = g.target(r.URL.Path, r.URL.RawQuery)
	out.Host = out.URL.Host
	out.Body, out.ContentLength, out.TransferEncoding = nil, 0, nil
	return out
}

// handshake opens a connection to ChatEngine, sends the upgrade request and
// reads the answer, whatever it is, and after an upgrade that opens a session
// the open packet too. ctx bounds all of it.
//
// The client is to get both in one piece. socket.io-client takes no notice of a
// connection that ends between the two: it waits for its time-out of 20 s
// (engine.io-client 6.6 emits close alone, and its manager listens for open and
// error; seen once in some 3,000 reconnections with connections being cut). And
// a ChatEngine that upgrades and then hangs or dies can still be stood in for.
func (g *Gateway) handshake(ctx context.Context, req *http.Request, opens bool) (*upstream, *http.Response, error) {
	conn, err := g.dial(ctx, req.URL.Scheme == "https", req.URL.Hostname(), req.URL.Port())
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	up := &upstream{Conn: conn, r: bufio.NewReaderSize(conn, copySize)}
	var resp *http.Response
	if err = req.Write(conn); err == nil {
		resp, err = http.ReadResponse(up.r, req)
	}
	if err == nil && opens && resp.StatusCode == http.StatusSwitchingProtocols {
		up.open, err = readFrame(up.r, maxFrame)
	}
	if !stop() || err != nil {
		conn.Close()
		if ctx.Err() != nil {
			return nil, nil, errLate
		}
		return nil, nil, err
	}
	return up, resp, nil
}

func (g *Gateway) dial(ctx context.Context, secure bool, host, port string) (net.Conn, error) {
	if port == "" {
		port = "80"
		if secure {
			port = "443"
		}
	}
	conn, err := dialer(g.opts).DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil || !secure {
		return conn, err
	}
	config := g.opts.TLS.Clone()
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if config.ServerName == "" {
		config.ServerName = host
	}
	config.NextProtos = []string{"http/1.1"}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return secured, nil
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
func (g *Gateway) hijack(w http.ResponseWriter, resp *http.Response, up *upstream) (*tunnel, error) {
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
	err = client.SetDeadline(time.Now().Add(g.opts.WriteTimeout))
	if err == nil {
		err = header.Write(head)
	}
	if err == nil {
		head.WriteString("\r\n")
		head.Write(up.open.raw)
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
		up: up.Conn, upR: up.r,
		writeTimeout: g.opts.WriteTimeout,
	}, nil
}
