package check

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// listeners looks whether the addresses can be listened on. A bridge that
// already does is no fault.
func (r *run) listeners(ctx context.Context) {
	for _, l := range []struct{ key, address string }{{"listen", r.cfg.Listen}, {"admin.listen", r.cfg.Admin.Listen}} {
		if l.address == "" {
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

// bridgeAt asks for /healthz, which a bridge answers on both of its addresses.
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
		// Only whether it is a bridge is asked, and nothing is told to it.
		scheme = "https"
		client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
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

// soon is when an expiry is worth a warning.
const soon = 14 * 24 * time.Hour

// certificate reads the TLS files.
func (r *run) certificate(context.Context) {
	f := r.cfg.TLS
	if f.CertFile == "" {
		return
	}
	const fix = "tls.cert_file and tls.key_file: PEM files of one certificate that the bridge may read"
	cert, err := tls.LoadX509KeyPair(f.CertFile, f.KeyFile)
	if err != nil {
		r.fail("tls.files", f.CertFile, err.Error(), "the bridge does not start", fix)
		return
	}
	until := cert.Leaf.NotAfter
	switch left := time.Until(until); {
	case left <= 0:
		r.fail("tls.expired", f.CertFile, "the certificate expired on "+until.Format(time.DateOnly), "no client connects", "renew it; the bridge reads changed files by itself")
	case left < soon:
		r.warn("tls.expires", f.CertFile, "the certificate expires on "+until.Format(time.DateOnly), "then no client connects", "renew it; the bridge reads changed files by itself")
	default:
		r.ok("tls.files", f.CertFile, "the certificate is good until %s", until.Format(time.DateOnly))
	}
}

// files looks whether the state file can be written.
func (r *run) files(context.Context) {
	path := r.cfg.Replay.StateFile
	if path == "" {
		return
	}
	// As the bridge writes it: a new file beside it, renamed.
	f, err := os.CreateTemp(filepath.Dir(path), ".check-*")
	if err != nil {
		r.warn("replay.state_file", path, "cannot be written: "+err.Error(), "how far changes were confirmed is kept in the database alone, where a restored disk goes unnoticed", "replay.state_file: a path in a directory that the bridge may write to")
		return
	}
	_ = f.Close()
	_ = os.Remove(f.Name())
	r.ok("replay.state_file", path, "%s can be written", path)
}

// gateway asks ChatEngine. That it is away is what the bridge is for.
func (r *run) gateway(ctx context.Context) {
	g := r.cfg.Gateway
	if g.Upstream == "" {
		return
	}
	target, engine := g.Upstream+g.HealthPath, g.HealthPath == ""
	if engine {
		target = g.Upstream + r.cfg.Path + "/?EIO=4&transport=polling&sid=bridge-check"
	}
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	status, body, err := r.get(ctx, target)
	const serves = "the bridge serves the clients itself until it is there"
	switch {
	case err != nil:
		r.warn("gateway.upstream", g.Upstream, "ChatEngine does not answer: "+bare(err), serves, "start ChatEngine, or correct gateway.upstream")
	case engine && !isEngine(status, body):
		r.warn("gateway.upstream", g.Upstream, fmt.Sprintf("%s answers %d, and not as a Socket.IO server does", target, status), serves,
			"gateway.upstream and path as ChatEngine has them, or gateway.health_path: a path that answers 2xx while it is healthy")
	case !engine && status/100 != 2:
		r.warn("gateway.upstream", g.Upstream, fmt.Sprintf("%s answers %d, not 2xx", target, status), serves, "gateway.health_path: a path that answers 2xx while ChatEngine is healthy")
	default:
		r.ok("gateway.upstream", g.Upstream, "ChatEngine is healthy")
	}
}

// isEngine tells an Engine.IO server's refusal of an unknown session.
func isEngine(status int, body []byte) bool {
	var e struct {
		Code    *int
		Message string
	}
	return status/100 == 4 && json.Unmarshal(body, &e) == nil && e.Code != nil && e.Message != ""
}

func (r *run) get(ctx context.Context, target string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return 0, nil, err
	}
	res, err := r.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	return res.StatusCode, body, err
}
