package gateway_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"sync"
	"testing"

	"chatbridge/internal/baseline"
	"chatbridge/internal/chatengine"
)

// recorder is a ChatEngine that takes down the requests as they come in, bytes
// of the request line and header, and answers each but the probes with the same.
type recorder struct {
	url    string
	answer string

	mu   sync.Mutex
	line string
	head textproto.MIMEHeader
}

func newRecorder(t *testing.T, answer string) *recorder {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{url: "http://" + listener.Addr().String(), answer: answer}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { r.serve(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		serving.Wait()
	})
	return r
}

func (r *recorder) serve(conn net.Conn) {
	defer conn.Close()
	in := textproto.NewReader(bufio.NewReader(conn))
	line, err := in.ReadLine()
	if err != nil {
		return
	}
	head, err := in.ReadMIMEHeader()
	if err != nil {
		return
	}
	if strings.Contains(line, "bridge-health-probe") {
		const unknown = `{"code":1,"message":"Session ID unknown"}`
		fmt.Fprintf(conn, "HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(unknown), unknown)
		return
	}
	r.mu.Lock()
	r.line, r.head = line, head
	r.mu.Unlock()
	fmt.Fprint(conn, r.answer)
}

// last is the last request that was no probe, and forgets it.
func (r *recorder) last() (line string, head textproto.MIMEHeader) {
	r.mu.Lock()
	defer r.mu.Unlock()
	line, head, r.line, r.head = r.line, r.head, "", nil
	return line, head
}

const emptyAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

// targets are request targets that Go's router, or an escape too many, would
// change on the way.
var targets = []string{
	"/", "/a", "/a/", "/a//", "//", "//a", "//a/b", "///a", "/a//b", "/./a", "/a/.", "/a/./b", "/../a", "/a/..", "/a/../b", "/a/../../b",
	"/%2e%2e/a", "/%2E%2e/a", "/a%2Fb", "/a%2fb//c", "//a%2Fb/", "/a%20b//", "/a%25b", "/a%252Fb", "/%61", "/a%7Eb", "/a~b", "/a'b", "/a(b)*c",
	`/a"b`, "/a|b", "/a^b{c}`d", `/a\b`, "/a<b>", "/é", "/a;b=c,d", "/a:b@c", "/a&b=c+d$e!", "/a[b]", "/a#b",
	"/a?", "/a?b", "/a?b=c&d=e", "/a?b=%2F&c=%20;d", "/a?b?c", "/a//?b=//c/../d", "/a%2F//?x", "/a?%zz", "/webhooks/whatsapp/", "/webhooks/whatsapp//?token=a%2Fb",
	"/api/wsx", "/api/ws%2F", "/api%2Fws/", "/%61pi/ws/", "//api/ws/", "/api//ws/", "/api/ws/../x",
}

// TestPathsPassAsTheyCame: byte for byte.
func TestPathsPassAsTheyCame(t *testing.T) {
	t.Parallel()
	engine := newRecorder(t, emptyAnswer)
	g := run(t, fast(engine.url))
	for _, target := range targets {
		answer := raw(t, g.url, "GET "+target+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if line, _ := engine.last(); line != "GET "+target+" HTTP/1.1" || !strings.HasPrefix(answer, "HTTP/1.1 200") {
			t.Errorf("%s arrived as %q, and was answered %.40q", target, line, answer)
		}
	}
	// A proxy's whole URL.
	raw(t, g.url, "GET http://x//a%2Fb/?c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if line, _ := engine.last(); line != "GET //a%2Fb/?c HTTP/1.1" {
		t.Errorf("a whole URL arrived as %q", line)
	}
}

// TestNodeAnswersTheSame has a real Node.js server behind the gateway and beside
// it.
func TestNodeAnswersTheSame(t *testing.T) {
	t.Parallel()
	engine := chatengine.New(t, chatengine.Options{})
	g := run(t, fast(engine.URL().String()))
	status := func(base, target string) string {
		line, _, _ := strings.Cut(raw(t, base, "GET "+target+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), "\r\n")
		return line
	}
	for _, target := range append([]string{
		"/health", "/health?x", "/inspect", "/health/", "/api/ws/x?EIO=4&transport=polling", "/api/ws/x/y?EIO=4&transport=polling",
		"/api/ws/?EIO=4&transport=polling", "/api/ws/?EIO=4&transport=polling&sid=", "/api/ws/?EIO=4&transport=polling&sid=unknown",
		"/api/ws/?EIO=3&transport=polling", "/api/ws/x?EIO=4&transport=none",
	}, targets...) {
		if direct, through := status(engine.URL().String(), target), status(g.url, target); direct != through {
			t.Errorf("%s: %q by itself, %q through the gateway", target, direct, through)
		}
	}
}

// TestThePathBelowSocketIOs is Socket.IO's too: it may be served by the bridge.
func TestThePathBelowSocketIOs(t *testing.T) {
	t.Parallel()
	o := fast("http://127.0.0.1:1") // nobody listens
	var served sync.Map
	o.Local = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { served.Store(r.RequestURI, true) })
	g := run(t, o)
	for target, local := range map[string]bool{
		"/api/ws?EIO=4&transport=polling": true, "/api/ws/?EIO=4&transport=polling": true, "/api/ws/x?EIO=4&transport=polling": true,
		"/api/wsx?EIO=4&transport=polling": false, "/api%2Fws/?EIO=4&transport=polling": false, "//api/ws/?EIO=4&transport=polling": false,
	} {
		answer := raw(t, g.url, "GET "+target+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if _, ok := served.Load(target); ok != local {
			t.Errorf("%s: served by the bridge %v, want %v: %.40q", target, ok, local, answer)
		}
	}
}

// TestABasePathIsNotLeft by dots, however they are written.
func TestABasePathIsNotLeft(t *testing.T) {
	engine := newRecorder(t, emptyAnswer)
	for _, base := range []string{"/base", "/base/", "/ba%2Fse", "/a/base"} {
		o := fast(engine.url)
		o.Upstream, _ = url.Parse(engine.url + base)
		g := run(t, o)
		before := baseline.Take(t)
		prefix := strings.TrimSuffix(base, "/")
		for target, passes := range map[string]bool{
			"/a": true, "/": true, "/a/../b": true, "/a/b/../../c": true, "//a": true, "/..a": true, "/a..": true, "/...": true, "/a%2F..%2Fb": true,
			"/..": false, "/../a": false, "/a/../../b": false, "/%2e%2e/a": false, "/%2E./a": false, "/.%2e/a": false, "/a%2F..%2F..%2Fb": false,
			"/..%2Fa": false, `/..\a`: false, "/%5C..%5Ca": false, "/a//../../b": false, "/./../a": false, "/a/./../../b": false, "/api/ws/../../../a": false,
		} {
			answer := raw(t, g.url, "GET "+target+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			line, _ := engine.last()
			switch {
			case passes && line != "GET "+prefix+target+" HTTP/1.1":
				t.Errorf("%s below %s arrived as %q", target, base, line)
			case !passes && (line != "" || !strings.HasPrefix(answer, "HTTP/1.1 400")):
				t.Errorf("%s below %s arrived as %q, and was answered %.40q", target, base, line, answer)
			}
		}
		before.Await(t)
	}
}

// TestTargetsThatAreNoPaths: `*` asks for the server as a whole, with OPTIONS alone
// (RFC 9112, 3.2.4), and is answered by it; a URL without a path means the root.
func TestTargetsThatAreNoPaths(t *testing.T) {
	t.Parallel()
	engine := newRecorder(t, emptyAnswer)
	for _, base := range []string{"", "/base"} {
		o := fast(engine.url)
		o.Upstream, _ = url.Parse(engine.url + base)
		g := run(t, o)
		for _, tt := range []struct{ request, status, arrives string }{
			{"GET *", "400", ""},
			{"POST *", "400", ""},
			{"HEAD *", "400", ""},
			{"OPTIONS *", "200", ""},
			{"GET http:a", "400", ""},
			{"GET javascript:a", "400", ""},
			{"GET http:///a", "400", ""},
			{"GET http://x", "200", "GET " + base + "/"},
			{"GET http://x?c", "200", "GET " + base + "/?c"},
			{"GET http://x/*", "200", "GET " + base + "/*"},
			{"GET /*", "200", "GET " + base + "/*"},
			{"OPTIONS /*", "200", "OPTIONS " + base + "/*"},
		} {
			answer := raw(t, g.url, tt.request+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			line, _ := engine.last()
			line, _ = strings.CutSuffix(line, " HTTP/1.1")
			if !strings.HasPrefix(answer, "HTTP/1.1 "+tt.status) || line != tt.arrives {
				t.Errorf("%s at %q arrived as %q, want %q, and was answered %.40q, want %s", tt.request, base, line, tt.arrives, answer, tt.status)
			}
		}
		if s := g.Stats(); s.Refused["target"] == 0 || s.Switches["local"] > 0 {
			t.Errorf("refused %v", s.Refused)
		}
	}
}

// TestOnlyWebSocketsAreTunnelled: through a tunnel of another protocol a client
// would reach ChatEngine past everything that is looked at here.
func TestOnlyWebSocketsAreTunnelled(t *testing.T) {
	for name, tt := range map[string]struct {
		head, offered string
		tunnelled     bool
	}{
		"h2c":                {"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n", "", false},
		"TLS":                {"Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n", "", false},
		"both":               {"Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n", "websocket", true},
		"websocket":          {"Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n", "websocket", true},
		"websocket, body":    {"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n", "", false},
		"Upgrade on its own": {"Upgrade: h2c\r\n", "", false},
	} {
		for _, path := range []string{"/other", "/api/ws/?EIO=4&transport=polling"} {
			if tt.tunnelled && path != "/other" {
				continue // handshakes of Socket.IO's, tested elsewhere
			}
			protocol := "h2c"
			if tt.tunnelled {
				protocol = "websocket"
			}
			engine := newRecorder(t, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+protocol+"\r\n\r\n")
			g := run(t, fast(engine.url))
			before := baseline.Take(t)
			answer := raw(t, g.url, "GET "+path+" HTTP/1.1\r\nHost: x\r\n"+tt.head+"\r\nx")
			_, head := engine.last()
			if offered := head.Get("Upgrade"); offered != tt.offered || head.Get("Http2-Settings") != "" {
				t.Errorf("%s on %s: ChatEngine was offered %q: %v", name, path, offered, head)
			}
			if got := strings.HasPrefix(answer, "HTTP/1.1 101"); got != tt.tunnelled {
				t.Errorf("%s on %s was answered %.60q", name, path, answer)
			}
			before.Await(t)
		}
	}
}

// TestHeadersOfProxies pass from trusted proxies alone.
func TestHeadersOfProxies(t *testing.T) {
	engine := newRecorder(t, emptyAnswer)
	forged := []string{
		"X-Real-IP", "True-Client-IP", "CF-Connecting-IP", "X-Original-URL", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Server",
		"X-Forwarded-Scheme", "X-Forwarded-Ssl", "X-Forwarded", "X-Forwarded-By", "X-Rewrite-URL", "X-Original-Host", "X-Client-IP",
		"X-Cluster-Client-IP", "Fastly-Client-IP", "X-Host", "Front-End-Https", "Forwarded",
		"X_Real_IP", "X-Real_IP", "X_Forwarded_For", "HTTP_X_FORWARDED_FOR", "Proxy-Client-IP", "WL-Proxy-Client-IP", "DO-Connecting-IP",
		"X-ProxyUser-Ip", "CF-Visitor", "CF-IPCountry", "CF-Ray", "X-Envoy-Original-Path", "Proxy", "Remote-User", "X-Remote-User",
		"X-SSL-Client-Verify", "Ssl-Client-Cert", "X-HTTP-Method-Override", "X-Method-Override",
	}
	var head strings.Builder
	own := []string{"X-Bridge-Since", "X-Bridge-Catch-Up", "X_Bridge_Since"}
	for _, name := range append(own, forged...) {
		head.WriteString(name + ": 9.9.9.9\r\n")
	}
	for _, trusted := range []bool{false, true} {
		o := fast(engine.url)
		if trusted {
			o.TrustedProxies = loopbackNetworks
		}
		g := run(t, o)
		before := baseline.Take(t)
		for _, request := range []string{"GET /other HTTP/1.1\r\nHost: x\r\n", "GET /api/ws/?EIO=4&transport=websocket HTTP/1.1\r\n" + upgradeHead} {
			raw(t, g.url, request+head.String()+"X-Custom: kept\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n")
			_, got := engine.last()
			for _, name := range forged {
				if passed := got.Get(name) != ""; passed != trusted {
					t.Errorf("%.20s: %s of a client that is trusted: %v; it passed: %v", request, name, trusted, passed)
				}
			}
			for _, name := range own {
				if got.Get(name) != "" {
					t.Errorf("%.20s: %s reaches ChatEngine, of a client that is trusted: %v", request, name, trusted)
				}
			}
			want := "127.0.0.1"
			if trusted {
				want = "9.9.9.9, 127.0.0.1"
			}
			if got.Get("X-Custom") != "kept" || got.Get("X-Forwarded-For") != want {
				t.Errorf("%.20s: arrived with %v", request, got)
			}
		}
		before.Await(t)
	}
}
