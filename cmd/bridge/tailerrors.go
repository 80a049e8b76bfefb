package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"time"

	"chatbridge/internal/certname"
	"chatbridge/internal/sioclient"
)

// explain adds a remedy to an error of connecting. It returns any other error unchanged.
func (o *tailOptions) explain(err error) error {
	what, remedy := o.remedy(err)
	if remedy == "" {
		return err
	}
	return &explained{what + ": " + remedy, err}
}

// explained wraps an error and gives it another text.
type explained struct {
	text string
	err  error
}

func (e *explained) Error() string { return e.text }
func (e *explained) Unwrap() error { return e.err }

const (
	wantTLS   = "it speaks TLS, or not HTTP at all: give --url with https://, and the port of the bridge's public listener"
	wantPlain = "it does not speak TLS: give --url with http://"
)

// remedy returns what is wrong when connecting has failed, and what to do about it. Both
// are empty for any other error.
func (o *tailOptions) remedy(err error) (what, remedy string) {
	var answer *sioclient.HandshakeError
	var record tls.RecordHeaderError
	var unknown x509.UnknownAuthorityError
	var other x509.HostnameError
	var invalid x509.CertificateInvalidError
	var dns *net.DNSError
	secure := strings.HasPrefix(o.url, "https:") || strings.HasPrefix(o.url, "wss:")
	switch {
	case errors.As(err, &answer):
		return "the server answers " + answer.Text + serverText(answer), o.answered(answer)
	case errors.As(err, &record) && secure:
		return "the server's answer is no TLS", wantPlain
	case errors.As(err, &unknown):
		return "the server's certificate is signed by an authority that this machine does not know",
			"give the authority's with --cacert FILE, or --insecure, with which whoever is between sees the token"
	case errors.As(err, &other):
		return "the server's certificate is for another name: " + certname.Other(other), "give --url with a name that it is for"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("the server's certificate, or that of its authority, is not valid now: it is from %s to %s, as this machine's clock has it",
			invalid.Cert.NotBefore.Format(time.DateOnly), invalid.Cert.NotAfter.Format(time.DateOnly)), "renew it at the server, or set this machine's clock"
	case !secure && (strings.Contains(err.Error(), "malformed HTTP") || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)) && strings.HasPrefix(err.Error(), "connect:"):
		return "the server's answer is no HTTP", wantTLS
	case errors.Is(err, syscall.ECONNREFUSED):
		return err.Error(), "nothing listens there; check host and port in --url, and that the bridge runs"
	case errors.As(err, &dns):
		return err.Error(), "check the host in --url"
	case strings.HasPrefix(err.Error(), "connect:") && (errors.Is(err, context.DeadlineExceeded) || isTimeout(err)):
		return err.Error(), "check host and port in --url, and firewalls between here and there"
	}
	return "", ""
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// answered returns what to do about an HTTP answer that refuses the websocket upgrade.
func (o *tailOptions) answered(a *sioclient.HandshakeError) string {
	const address = "check --url, which wants the bridge's public listener, and --path (%s), which wants its setting path"
	switch {
	case a.Status == http.StatusBadRequest && forTLS.Match(a.Body):
		return "this port speaks TLS: give --url with https://"
	case a.Status >= 300 && a.Status < 400:
		return fmt.Sprintf("give --url the address that it redirects to, %q, without the path", printable(a.Header.Get("Location"), 200))
	case a.Status == http.StatusUnauthorized, a.Status == http.StatusForbidden, a.Status == http.StatusProxyAuthRequired:
		return "who may connect is limited: see the bridge's allow-lists, and logins of proxies in front of it"
	case a.Status == http.StatusNotFound, a.Status == http.StatusMethodNotAllowed:
		return fmt.Sprintf("no Socket.IO server is there; "+address, o.path)
	case a.Status == http.StatusTooManyRequests:
		return "too many requests came from this address: wait, or see the bridge's limits"
	case a.Status == http.StatusBadGateway, a.Status == http.StatusServiceUnavailable, a.Status == http.StatusGatewayTimeout:
		return "the bridge, or what a proxy in front of it leads to, is away, full or not ready yet: its /readyz says why"
	case a.Status >= 500:
		return "see the server's log"
	}
	return fmt.Sprintf("this is no answer to a websocket: "+address+"; a proxy in front has to pass Upgrade and Connection on", o.path)
}

// forTLS matches what TLS servers answer to plain HTTP: Go's, nginx, Apache.
var forTLS = regexp.MustCompile(`HTTP request to an HTTPS server|HTTP request was sent to HTTPS port|plain HTTP to an SSL-enabled`)

// title matches the title of an HTML page.
var title = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)

// serverText returns what an answer's body says to a person, for the end of a sentence: a
// message in JSON, a page's title, or a text.
func serverText(a *sioclient.HandshakeError) string {
	text := strings.TrimSpace(string(a.Body))
	var fields map[string]any
	switch {
	case json.Unmarshal(a.Body, &fields) == nil:
		text = ""
		for _, name := range []string{"message", "error_description", "error", "reason", "detail", "msg"} {
			if s, is := fields[name].(string); is && s != "" {
				text = s
				break
			}
		}
	case strings.HasPrefix(text, "<") || strings.Contains(a.Header.Get("Content-Type"), "html"):
		if found := title.FindStringSubmatch(text); found != nil {
			text = strings.TrimSpace(found[1])
		} else {
			text = ""
		}
	}
	if text == "" || strings.HasPrefix(a.Text, text) {
		return ""
	}
	return " (" + printable(text, 200) + ")"
}
