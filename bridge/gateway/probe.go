package gateway

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
)

// probeError says why ChatEngine counts as sick.
type probeError struct {
	// refused: nobody listens, so there is no point in asking again.
	refused bool
	err     error
}

func (e *probeError) Error() string { return e.err.Error() }
func (e *probeError) Unwrap() error { return e.err }

// probe asks ChatEngine once, on a connection of its own, as a new client
// would: a kept one may outlive the listener.
func (g *Gateway) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, g.opts.Timeout)
	defer cancel()
	engine := g.opts.HealthPath == ""
	target := g.target(g.opts.HealthPath, "")
	if engine {
		target = g.target(g.opts.Path+"/", "EIO=4&transport=polling&sid=bridge-health-probe")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return fmt.Errorf("health probe: %w", err)
	}
	req.Header.Set("User-Agent", "chatbridge-gateway")
	req.Close = true
	resp, err := g.transport.RoundTrip(req)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("health probe: no answer within %v", g.opts.Timeout)
	}
	if err != nil {
		return &probeError{
			refused: errors.Is(err, syscall.ECONNREFUSED),
			err:     fmt.Errorf("health probe: %w", err),
		}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err != nil {
		return fmt.Errorf("health probe: %w", err)
	}
	if engine {
		return judgeEngine(resp.StatusCode, body)
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("health probe: %s answered %s, not 2xx", g.opts.HealthPath, resp.Status)
	}
	return nil
}

// judgeEngine accepts the errors with which an Engine.IO server refuses a
// request (Engine.IO 4: codes 0 to 5), and nothing else: a proxy's error page
// or a single-page application's index.html is not ChatEngine.
func judgeEngine(status int, body []byte) error {
	var answer struct {
		Code    *int   `json:"code"`
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &answer) == nil && answer.Code != nil && answer.Message != "" && status/100 == 4 {
		return nil
	}
	return fmt.Errorf("health probe: status %d and no Engine.IO answer; is the Socket.IO path right?", status)
}

// trial opens a websocket at ChatEngine, waits for the Engine.IO open packet
// and closes it.
func (g *Gateway) trial(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, g.opts.HandshakeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.target(g.opts.Path+"/", "EIO=4&transport=websocket").String(), nil)
	if err != nil {
		return fmt.Errorf("trial websocket: %w", err)
	}
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "User-Agent": "chatbridge-gateway",
		"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "Y2hhdGJyaWRnZS10cmlhbA==",
	} {
		req.Header.Set(name, value)
	}
	up, resp, err := g.handshake(ctx, req, true)
	if err != nil {
		return fmt.Errorf("trial websocket: %w", err)
	}
	defer up.Close()
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("trial websocket: answered %s", resp.Status)
	}
	if p := up.open.payload; len(p) == 0 || p[0] != '0' {
		return errors.New("trial websocket: the first packet is not an Engine.IO open packet")
	}
	return nil
}

// target is a URL at ChatEngine.
func (g *Gateway) target(path, query string) *url.URL {
	u := *g.opts.Upstream
	switch u.Scheme {
	case "ws":
		u.Scheme = "http"
	case "wss":
		u.Scheme = "https"
	}
	if base := strings.Trim(u.Path, "/"); base != "" {
		path = "/" + base + path
	}
	u.Path = path
	u.RawPath = ""
	u.RawQuery = query
	return &u
}

// upstream is a raw connection to ChatEngine with what was read ahead.
type upstream struct {
	net.Conn
	r *bufio.Reader
	// open is the frame of the open packet, where one was waited for.
	open frame
}
