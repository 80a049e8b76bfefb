package gateway

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"chatbridge/bridge/gateway/frame"
)

// upstream is ChatEngine: its address, and how it is reached. Safe for
// concurrent use.
type upstream struct {
	opts      Options
	dialer    *net.Dialer
	transport *http.Transport // of proxied requests and probes
}

func newUpstream(o Options) *upstream {
	d := &net.Dialer{Timeout: o.DialTimeout, KeepAlive: 15 * time.Second}
	return &upstream{opts: o, dialer: d, transport: &http.Transport{
		DialContext:         d.DialContext,
		TLSClientConfig:     o.TLS,
		TLSHandshakeTimeout: o.HandshakeTimeout,
		MaxIdleConnsPerHost: 64,
		// Node closes idle connections after 5 s. A request sent on one just
		// then fails, and a POST may not be repeated: so give them up first.
		IdleConnTimeout:    3 * time.Second,
		DisableCompression: true, // bodies pass as they are
	}}
}

// url is a URL at ChatEngine.
func (u *upstream) url(path, query string) *url.URL {
	target := *u.opts.Upstream
	switch target.Scheme {
	case "ws":
		target.Scheme = "http"
	case "wss":
		target.Scheme = "https"
	}
	if base := strings.Trim(target.Path, "/"); base != "" {
		path = "/" + base + path
	}
	target.Path, target.RawPath, target.RawQuery = path, "", query
	return &target
}

// upstreamConn is a raw connection to ChatEngine with what was read ahead.
type upstreamConn struct {
	net.Conn
	r *bufio.Reader
	// open is the frame of the open packet, where one was waited for.
	open frame.Frame
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
func (u *upstream) handshake(ctx context.Context, req *http.Request, opens bool) (*upstreamConn, *http.Response, error) {
	raw, err := u.dial(ctx, req.URL)
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	conn := &upstreamConn{Conn: raw, r: bufio.NewReaderSize(raw, copySize)}
	var resp *http.Response
	if err = req.Write(raw); err == nil {
		resp, err = http.ReadResponse(conn.r, req)
	}
	if err == nil && opens && resp.StatusCode == http.StatusSwitchingProtocols {
		conn.open, err = frame.Read(conn.r, maxOpenPacket)
	}
	if !stop() || err != nil {
		raw.Close()
		if ctx.Err() != nil {
			return nil, nil, errTimeout
		}
		return nil, nil, err
	}
	return conn, resp, nil
}

// maxOpenPacket bounds ChatEngine's open packet, in bytes.
const maxOpenPacket = 512 << 10

func (u *upstream) dial(ctx context.Context, to *url.URL) (net.Conn, error) {
	secure, host, port := to.Scheme == "https", to.Hostname(), to.Port()
	if port == "" {
		port = "80"
		if secure {
			port = "443"
		}
	}
	conn, err := u.dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil || !secure {
		return conn, err
	}
	config := u.opts.TLS.Clone()
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

// errRefused: nobody listens at ChatEngine's address.
const errRefused = syscall.ECONNREFUSED

// errTimeout is the cause of a request's end.
var errTimeout = errors.New("no answer within the handshake time-out")

// errStatus is a 5xx where a session was to be opened.
type errStatus struct{ status string }

func (e errStatus) Error() string { return "answered " + e.status }

// classify names what failed.
func classify(err error) failure {
	var op *net.OpError
	var status errStatus
	switch {
	case errors.Is(err, errRefused):
		return failRefused
	case errors.As(err, &op) && op.Op == "dial":
		return failDial
	case errors.Is(err, errTimeout), errors.Is(err, context.DeadlineExceeded):
		return failAnswer
	case errors.As(err, &status):
		return failStatus
	}
	return failBroken
}
