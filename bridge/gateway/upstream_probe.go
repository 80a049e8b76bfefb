package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// userAgent is that of the gateway's own requests.
const userAgent = "chatbridge-gateway"

// probe asks ChatEngine once. It always opens a new connection: one that was kept
// may still work after ChatEngine has stopped listening. The error wraps errRefused
// where nobody listens.
func (u *upstream) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, u.opts.Timeout)
	defer cancel()
	engine := u.opts.HealthPath == ""
	target := u.url(u.opts.HealthPath, "")
	if engine {
		target = u.url(u.opts.Path+"/", "EIO=4&transport=polling&sid=bridge-health-probe")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return fmt.Errorf("health probe: %w", err)
	}
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set(hopHeader, u.id)
	req.Close = true
	resp, err := u.transport.RoundTrip(req)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("health probe: no answer within %v", u.opts.Timeout)
	}
	if err != nil {
		return fmt.Errorf("health probe: %w", err)
	}
	defer resp.Body.Close()
	if err := u.checkLoop(resp.Header); err != nil {
		return fmt.Errorf("health probe: %w", err)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err != nil {
		return fmt.Errorf("health probe: %w", err)
	}
	if engine {
		return checkEngineAnswer(resp.StatusCode, body)
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("health probe: %s answered %s, not 2xx", u.opts.HealthPath, resp.Status)
	}
	return nil
}

// checkEngineAnswer accepts the errors with which an Engine.IO server refuses a
// request (Engine.IO 4: codes 0 to 5), and nothing else: a proxy's error page
// or a single-page application's index.html is not ChatEngine.
func checkEngineAnswer(status int, body []byte) error {
	var answer struct {
		Code    *int   `json:"code"`
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &answer) == nil && answer.Code != nil && answer.Message != "" && status/100 == 4 {
		return nil
	}
	return fmt.Errorf("health probe: status %d and no Engine.IO answer; is the Socket.IO path right?", status)
}

// tryWebSocket opens a WebSocket at ChatEngine, waits for the Engine.IO open
// packet and closes it.
func (u *upstream) tryWebSocket(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, u.opts.HandshakeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.url(u.opts.Path+"/", "EIO=4&transport=websocket").String(), nil)
	if err != nil {
		return fmt.Errorf("trial websocket: %w", err)
	}
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "User-Agent": userAgent, hopHeader: u.id,
		"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "Y2hhdGJyaWRnZS10cmlhbA==",
	} {
		req.Header.Set(name, value)
	}
	conn, resp, err := u.handshake(ctx, req, true)
	if err != nil {
		return fmt.Errorf("trial websocket: %w", err)
	}
	defer conn.Close()
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("trial websocket: answered %s", resp.Status)
	}
	if p := conn.open.Payload; len(p) == 0 || p[0] != '0' {
		return errors.New("trial websocket: the first packet is not an Engine.IO open packet")
	}
	return nil
}
