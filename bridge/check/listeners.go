package check

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"

	"chatbridge/internal/httpclient"
)

// listeners checks that the addresses can be listened on. A bridge that already
// does is not an error.
func (r *run) listeners(ctx context.Context) {
	for _, l := range []struct{ key, address string }{{"listen", r.cfg.Listen}, {"admin.listen", r.cfg.Admin.Listen}} {
		if l.address == "" {
			continue
		}
		if l.key == "listen" && r.cfg.SocketActivated() {
			// A connection would start the service by its socket, so none is opened.
			r.ok("listen.socket", l.key, "%s is for bridge.socket to hold", l.address)
			continue
		}
		ln, err := new(net.ListenConfig).Listen(ctx, "tcp", l.address)
		switch {
		case err == nil:
			_ = ln.Close()
			r.ok("listen.free", l.key, "%s is free", l.address)
		case errors.Is(err, syscall.EADDRINUSE) && r.bridgeAt(ctx, l.address):
			r.ok("listen.bridge", l.key, "a bridge is listening on %s already", l.address)
		case errors.Is(err, syscall.EADDRINUSE):
			r.fail("listen.taken", l.key, l.address+" is in use by another program", "the bridge does not start", l.key+": another port, or end that program")
		case errors.Is(err, syscall.EACCES):
			r.fail("listen.denied", l.key, "this user may not listen on "+l.address, "the bridge does not start", l.key+": a port from 1024 on, or AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit")
		default:
			r.fail("listen.impossible", l.key, l.address+": "+err.Error(), "the bridge does not start", l.key+": an address of this machine")
		}
	}
}

// bridgeAt requests /healthz, which a bridge answers on both of its addresses.
func (r *run) bridgeAt(ctx context.Context, address string) bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "" || host == "0.0.0.0" || host == "::" {
		host = "127.0.0.1"
	}
	scheme := "http"
	client := r.client
	if r.cfg.TLS.CertFile != "" && address == r.cfg.Listen {
		// Certificates need not be verified: the request has no secret, and the answer is only
		// whether it is a bridge.
		scheme = "https"
		client = httpclient.New(&http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true})
	}
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+net.JoinHostPort(host, port)+"/healthz", nil)
	if err != nil {
		return false
	}
	res, err := client.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	var body struct{ Status string }
	return res.StatusCode == http.StatusOK && json.NewDecoder(io.LimitReader(res.Body, maxBody)).Decode(&body) == nil && body.Status != ""
}
