package gateway

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"chatbridge/bridge/access"
	"chatbridge/bridge/gateway/frame"
)

// upstream is ChatEngine: its address, and how it is reached. Safe for
// concurrent use.
type upstream struct {
	opts      Options
	id        string // of this gateway, in hopHeader
	base      string // the path of Options.Upstream, escaped, without a slash at the end
	dialer    *net.Dialer
	transport *http.Transport // of proxied requests and probes
}

func newUpstream(o Options) *upstream {
	d := &net.Dialer{Timeout: o.DialTimeout, KeepAlive: 15 * time.Second}
	base := strings.Trim(o.Upstream.EscapedPath(), "/")
	if base != "" {
		base = "/" + base
	}
	return &upstream{opts: o, id: rand.Text(), base: base, dialer: d, transport: &http.Transport{
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

// url is a URL at ChatEngine. The path is written in the request line as it is,
// whether or not Go would have escaped it so.
func (u *upstream) url(path, query string) *url.URL {
	target := &url.URL{Scheme: "http", Host: u.opts.Upstream.Host, RawQuery: query}
	if u.opts.Upstream.Scheme == "https" || u.opts.Upstream.Scheme == "wss" {
		target.Scheme = "https"
	}
	path = u.base + path
	target.Path, target.RawPath = path, path
	if decoded, err := url.PathUnescape(path); err == nil {
		target.Path = decoded
	}
	if target.EscapedPath() != path && !strings.HasPrefix(path, "//") {
		// Not after two slashes, where Go would write the scheme before them; the
		// characters that no URL may have are escaped there.
		target.Opaque = path
	}
	return target
}

// target is the URL at ChatEngine of a client's request.
func (u *upstream) target(r *http.Request) *url.URL {
	target := u.url(access.RawPath(r), r.URL.RawQuery)
	target.ForceQuery = r.URL.ForceQuery
	return target
}

// leaves reports whether a path leads out of the base path, however its dots and
// slashes are escaped, and however what is behind it merges slashes.
func (u *upstream) leaves(path string) bool {
	if u.base == "" {
		return false // there is nothing above it
	}
	if decoded, err := url.PathUnescape(path); err == nil {
		path = decoded
	}
	depth := 0
	for segment := range strings.FieldsFuncSeq(path, func(c rune) bool { return c == '/' || c == '\\' }) {
		switch segment {
		case ".":
		case "..":
			if depth--; depth < 0 {
				return true
			}
		default:
			depth++
		}
	}
	return false
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
	if err == nil {
		err = u.checkLoop(resp.Header)
	}
	if err == nil && opens && resp.StatusCode == http.StatusSwitchingProtocols {
		if conn.open, err = frame.Read(conn.r, maxOpenPacket); err == nil {
			err = u.checkOwn(conn.open.Payload)
		}
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
	secure, host := to.Scheme == "https", to.Hostname()
	conn, err := u.dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, portOf(to)))
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

// ownLack reports whether an error is the bridge's own lack of file descriptors,
// ports or memory for connections, which says nothing of ChatEngine.
func ownLack(err error) bool {
	if err == nil {
		return false
	}
	var name *net.DNSError
	resolving := errors.As(err, &name)
	for _, lack := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		// Errors of name resolution have it as text only.
		if errors.Is(err, lack) || resolving && strings.Contains(name.Err, lack.Error()) {
			return true
		}
	}
	var op *net.OpError
	return errors.Is(err, syscall.EADDRNOTAVAIL) && errors.As(err, &op) && hasAddressFor(op.Addr)
}

// hasAddressFor reports whether the machine has an address from which it can
// connect to another: without IPv6 the error for one of IPv6 is the same as
// without a free port.
func hasAddressFor(to net.Addr) bool {
	tcp, ok := to.(*net.TCPAddr)
	if !ok {
		return false
	}
	return slices.ContainsFunc(ownAddresses(), func(own netip.Addr) bool {
		return own.Is4() == (tcp.IP.To4() != nil) && own.IsLoopback() == tcp.IP.IsLoopback()
	})
}

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
