package check

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// gateway requests ChatEngine's health. That it is down is a warning: the bridge
// is there for that.
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

// isEngine recognises an Engine.IO server by its error for an unknown session.
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
