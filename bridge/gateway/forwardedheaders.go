package gateway

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"chatbridge/bridge/access"
	"chatbridge/bridge/gateway/handover"
)

// forwardHeaders sets X-Forwarded-For, -Host and -Proto, and this gateway's mark,
// on a request to ChatEngine. What the client claims is believed only of a
// trusted proxy; anyone else could otherwise choose its own address.
func (g *Gateway) forwardHeaders(out http.Header, in *http.Request) {
	host, _, err := net.SplitHostPort(in.RemoteAddr)
	if err != nil {
		host = in.RemoteAddr
	}
	proto := "http"
	if in.TLS != nil {
		proto = "https"
	}
	for name := range out {
		if ofBridge(name) {
			delete(out, name)
		}
	}
	out.Add(hopHeader, g.upstream.id)
	if !g.trusted(host) {
		for name := range out {
			if ofProxies(name) {
				delete(out, name)
			}
		}
		out.Set("X-Forwarded-For", host)
		out.Set("X-Forwarded-Host", in.Host)
		out.Set("X-Forwarded-Proto", proto)
		return
	}
	chain := append(in.Header.Values("X-Forwarded-For"), host)
	out.Set("X-Forwarded-For", strings.Join(chain, ", "))
	for name, value := range map[string]string{"X-Forwarded-Host": in.Host, "X-Forwarded-Proto": proto} {
		if sent := in.Header.Get(name); sent != "" {
			value = sent
		}
		out.Set(name, value)
	}
	if sent := in.Header.Get("Forwarded"); sent != "" {
		out.Set("Forwarded", sent)
	}
}

// proxiesHeaders are those by which proxies tell who the client is and what it
// asked for, besides all that begin with one of proxiesPrefixes. Programs believe
// one or the other of them.
var proxiesHeaders = map[string]bool{
	"Forwarded": true, "X-Real-Ip": true, "X-Client-Ip": true, "X-Cluster-Client-Ip": true, "X-Remote-Ip": true,
	"X-Remote-Addr": true, "X-Originating-Ip": true, "True-Client-Ip": true, "Client-Ip": true,
	"Cf-Connecting-Ip": true, "Cf-Connecting-Ipv6": true, "Cf-Pseudo-Ipv4": true, "Fastly-Client-Ip": true,
	"Fly-Client-Ip": true, "X-Azure-Clientip": true, "X-Azure-Socketip": true, "X-Appengine-User-Ip": true,
	"X-Nf-Client-Connection-Ip": true, "X-Vercel-Forwarded-For": true,
	"X-Rewrite-Url": true, "X-Host": true, "X-Http-Host-Override": true, "X-Scheme": true, "X-Url-Scheme": true,
	"Front-End-Https": true, "Proxy": true, "Proxy-Client-Ip": true, "Wl-Proxy-Client-Ip": true, "X-Proxyuser-Ip": true,
	"Do-Connecting-Ip": true, "Remote-User": true, "X-Remote-User": true, "X-Http-Method-Override": true, "X-Method-Override": true,
}

var proxiesPrefixes = []string{"X-Forwarded", "X-Original-", "X-Envoy-", "Cf-", "X-Ssl-Client-", "Ssl-Client-"}

// ofProxies reports whether a header is a proxy's to set. Servers that hand headers
// on as variables (CGI, WSGI) do not tell `_` from `-`.
func ofProxies(name string) bool {
	name = http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))
	name = strings.TrimPrefix(name, "Http-")
	return proxiesHeaders[name] || slices.ContainsFunc(proxiesPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// ofBridge reports whether a header is the bridge's to itself, and nobody's else: it tells
// what a page missed.
func ofBridge(name string) bool {
	name = http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))
	return name == handover.Header || name == handover.SinceHeader
}

func (g *Gateway) trusted(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && access.Addresses(g.opts.TrustedProxies).Contain(addr)
}

// hasToken reports whether a comma-separated header has the token.
func hasToken(h http.Header, name, token string) bool {
	for _, value := range h.Values(name) {
		for part := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}

// isWebSocket reports whether r asks for an upgrade to a WebSocket (RFC 6455,
// 4.2.1). One with a body is none.
func isWebSocket(r *http.Request) bool {
	return r.Method == http.MethodGet && r.ContentLength == 0 && hasToken(r.Header, "Connection", "upgrade") && hasToken(r.Header, "Upgrade", "websocket")
}

// opensSession reports whether a request on the Socket.IO path opens a session
// rather than belonging to one; a WebSocket with a sid is the upgrade of a
// session by polling. An empty sid is none, as for Node's server.
func opensSession(r *http.Request) bool { return r.URL.Query().Get("sid") == "" }

// hopByHop are the headers that end at a proxy (RFC 9110, 7.6.1).
var hopByHop = [...]string{
	"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// endToEnd returns a copy of h without the hop-by-hop headers, those that
// Connection names included.
func endToEnd(h http.Header) http.Header {
	out := h.Clone()
	for _, value := range h.Values("Connection") {
		for name := range strings.SplitSeq(value, ",") {
			out.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range hopByHop {
		out.Del(name)
	}
	return out
}
