package main

import (
	"bufio"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// tailOnce is what `bridge tail` says of a server to which it does not get.
func tailOnce(t *testing.T, url string, more ...string) string {
	t.Helper()
	var out, errs buffer
	code := run(t.Context(), append([]string{"tail", "--url", url, "--token", "good", "--attempts", "1"}, more...), streams{strings.NewReader(""), &out, &errs})
	if code != exitFailed {
		t.Errorf("%s: exit code %d: %s", url, code, errs.String())
	}
	return errs.String()
}

// TestTailSaysWhatToDo: whatever answers at the address, the message is readable and has
// the remedy, at each attempt.
func TestTailSaysWhatToDo(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	cert := secure.TLS.Certificates[0]
	strict := alerting(t, &tls.Config{Certificates: []tls.Certificate{cert}})
	for name, tt := range map[string]struct {
		url  string
		want []string
	}{
		"https at plain HTTP":   {"https://" + plain.Listener.Addr().String(), []string{"no TLS", "http://"}},
		"http at TLS":           {"http://" + secure.Listener.Addr().String(), []string{"400 Bad Request (Client sent an HTTP request to an HTTPS server.)", "https://"}},
		"http at TLS, an alert": {"http://" + strict, []string{"no HTTP", "https://"}},
		"an unknown authority":  {secure.URL, []string{"authority", "--cacert"}},
		"nothing at the path":   {plain.URL, []string{"404 Not Found (404 page not found)", "--path (/api/ws)"}},
		"nothing there":         {"http://127.0.0.1:1", []string{"connection refused", "nothing listens there"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			errs := tailOnce(t, tt.url)
			lines := strings.Split(strings.TrimSpace(errs), "\n")
			for _, line := range lines {
				for _, want := range tt.want {
					if !strings.Contains(line, want) {
						t.Errorf("want %q in %s", want, line)
					}
				}
			}
			if len(lines) != 2 {
				t.Error(errs)
			}
		})
	}
}

// alerting listens for TLS, and answers anything else with an alert, as most servers but
// Go's do.
func alerting(t *testing.T, config *tls.Config) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_ = tls.Server(c, config).Handshake() // fails: what comes is no TLS
			_ = c.(*net.TCPConn).CloseWrite()
			_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
			_, _ = bufio.NewReader(c).WriteTo(io.Discard)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = ln.Close(); <-done })
	return ln.Addr().String()
}

// TestTailReadsAnyAnswer: an HTTP answer in place of the upgrade is shown as a person
// reads it, without what it could do to a terminal.
func TestTailReadsAnyAnswer(t *testing.T) {
	for name, tt := range map[string]struct {
		status     int
		kind, body string
		want       string
		remedy     string
	}{
		"JSON":            {404, "application/json", `{"code":0,"message":"there is \u001b[31m\"nothing\""}`, `404 Not Found (there is ·[31m"nothing"):`, "--path"},
		"a page":          {502, "text/html", "<html><head><title>Bad\nGateway of nginx</title></head><body>…", "502 Bad Gateway (Bad Gateway of nginx):", "/readyz"},
		"a page for TLS":  {400, "text/html", "<title>400 The plain HTTP request was sent to HTTPS port</title>", "400 Bad Request (400 The plain HTTP request was sent to HTTPS port):", "https://"},
		"nothing":         {503, "", "", "503 Service Unavailable:", "/readyz"},
		"its own words":   {403, "text/plain", "Forbidden\n", "403 Forbidden", "allow-lists"},
		"not now":         {429, "application/json", `{"error":"slow down"}`, "429 Too Many Requests (slow down):", "wait"},
		"another program": {200, "text/html", "<!doctype html><p>hello", "200 OK:", "Upgrade"},
		"its failure":     {500, "application/json", `{"error":{"x":1}}`, "500 Internal Server Error:", "log"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", tt.kind)
			w.WriteHeader(tt.status)
			_, _ = w.Write([]byte(tt.body))
		}))
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			defer server.Close()
			errs := tailOnce(t, server.URL)
			if !strings.Contains(errs, "the server answers "+tt.want) || !strings.Contains(errs, tt.remedy) || strings.ContainsAny(errs, "\x1b{<") {
				t.Error(errs)
			}
		})
	}
	moved := httptest.NewServer(http.RedirectHandler("https://chat.example/api/ws/", http.StatusMovedPermanently))
	defer moved.Close()
	if errs := tailOnce(t, moved.URL); !strings.Contains(errs, `"https://chat.example/api/ws/"`) || strings.Contains(errs, "<a ") {
		t.Error(errs)
	}
}
