package check

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"chatbridge/bridge/gateway"
)

// gateway requests ChatEngine's health. That it is down is a warning: the bridge
// is there for that.
func (r *run) gateway(ctx context.Context) {
	g := r.cfg.Gateway
	if g.Upstream == "" {
		return
	}
	if r.loop(ctx) {
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
		r.origins(ctx)
	}
}

// maxOrigins bounds the origins that ChatEngine is asked about.
const maxOrigins = 5

// origins asks ChatEngine whether it takes sessions of the pages that the bridge admits: a
// refusal is a valid answer, for which the bridge does not stand in.
func (r *run) origins(ctx context.Context) {
	asked := 0
	for _, origin := range r.cfg.CORS.Origins {
		if strings.Contains(origin, "*") {
			continue
		}
		if asked++; asked > maxOrigins {
			return
		}
		session := r.cfg.Gateway.Upstream + r.cfg.Path + "/?EIO=4&transport=polling"
		status, body, err := r.ask(ctx, session, http.Header{"Origin": {origin}})
		if err != nil {
			return // it was healthy a moment ago
		}
		var open struct{ SID string }
		if status == http.StatusOK && len(body) > 1 && json.Unmarshal(body[1:], &open) == nil && open.SID != "" {
			r.closeSession(ctx, session+"&sid="+url.QueryEscape(open.SID))
		}
		if status == http.StatusForbidden || status == http.StatusUnauthorized {
			r.warn("gateway.origin", origin, fmt.Sprintf("ChatEngine answers %d to pages of this origin, which cors.origins admits", status),
				"they show nothing new while ChatEngine is healthy, and the bridge does not stand in for it: a refusal is no failure",
				"admit the origin at ChatEngine, or take it out of cors.origins")
		}
	}
}

// loop reports whether gateway.upstream leads to a bridge: to an address at which
// this one would listen, or to one whose sessions are a bridge's.
func (r *run) loop(ctx context.Context) bool {
	g := r.cfg.Gateway
	const itself = "the bridge takes itself for ChatEngine, and does not start"
	const fix = "gateway.upstream: ChatEngine's own address"
	upstream, err := url.Parse(g.Upstream)
	if err != nil {
		return false // unreachable: it is valid
	}
	for _, listen := range []string{r.cfg.Listen, r.cfg.Admin.Listen} {
		if gateway.LeadsTo(ctx, upstream, listen) {
			r.fail("gateway.loop", g.Upstream, "leads to this bridge itself, which listens at "+listen, itself, fix)
			return true
		}
	}
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	session := g.Upstream + r.cfg.Path + "/?EIO=4&transport=polling"
	status, body, err := r.get(ctx, session)
	var open struct{ SID string }
	if err != nil || status != http.StatusOK || len(body) < 2 || json.Unmarshal(body[1:], &open) != nil || open.SID == "" {
		return false
	}
	r.closeSession(ctx, session+"&sid="+url.QueryEscape(open.SID))
	if !strings.HasPrefix(open.SID, gateway.SIDPrefix) {
		return false
	}
	r.fail("gateway.loop", g.Upstream, "a session there is a bridge's, not ChatEngine's: "+open.SID[:len(gateway.SIDPrefix)]+"…",
		"a bridge takes itself, or another one, for ChatEngine, and passes requests on to it", fix)
	return true
}

// closeSession leaves a session that was opened by polling.
func (r *run) closeSession(ctx context.Context, session string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, session, strings.NewReader("1"))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	if res, err := r.client.Do(req); err == nil {
		res.Body.Close() // else it ends by its own time limit
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
	return r.ask(ctx, target, nil)
}

// ask is get with headers.
func (r *run) ask(ctx context.Context, target string, header http.Header) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return 0, nil, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	res, err := r.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	return res.StatusCode, body, err
}
