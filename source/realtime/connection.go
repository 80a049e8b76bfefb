package realtime

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"chatbridge/internal/recv"
	"chatbridge/internal/retry"

	"github.com/gorilla/websocket"
)

// ended is why a connection ended or did not come about.
type ended struct {
	// reason is the counter's label.
	reason string
	err    error
	// wait overrides the backoff where it is not 0.
	wait time.Duration
	// expected tells that nothing is wrong: it happens from time to time, and the next
	// connection comes at once.
	expected bool
}

// connectLoop dials and serves one connection after the other until ctx ends.
func (s *Source) connectLoop(ctx context.Context) {
	back := retry.Backoff{Min: s.opts.Timing.MinRetry, Max: s.opts.Timing.MaxRetry}
	for ctx.Err() == nil {
		s.setState(StateConnecting)
		live, end := s.connection(ctx)
		if ctx.Err() != nil {
			return
		}
		s.stats.count(s.stats.disconnects, end.reason)
		if live > 0 {
			s.gap(nil, gapDisconnect)
		}
		if live >= s.opts.Timing.Stable {
			back.Reset()
		}
		wait := end.wait
		if wait == 0 {
			wait = back.Next()
		} else {
			wait = retry.Jitter(wait)
		}
		switch {
		case end.expected:
			s.log.Info("connection to Realtime ended as expected; connecting again", "reason", end.reason, "error", end.err)
		case s.stats.setError(end.err.Error()):
			s.log.Warn("no connection to Realtime; reading back meanwhile",
				"reason", end.reason, "error", end.err, "retry_in", wait.Round(time.Millisecond))
		}
		s.setState(StateConnecting)
		s.awaitDial(ctx, wait)
	}
}

// awaitDial waits before the next dial. A key that was replaced ends the wait: the old
// one may be what it is for.
func (s *Source) awaitDial(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-s.keyReplaced:
	}
}

// connection dials and serves one connection. live is how long all of its
// channels had been subscribed when it ended, 0 for never.
func (s *Source) connection(ctx context.Context) (live time.Duration, end ended) {
	key, err := s.opts.KeyFunc(ctx)
	if err != nil {
		return 0, ended{reason: "key", err: fmt.Errorf("get service key: %w", err)}
	}
	ws, err := s.dial(ctx, key)
	if err != nil {
		var r *Refusal
		if errors.As(err, &r) {
			end = ended{reason: fmt.Sprintf("refused_%d", r.Status), err: err}
			if r.NeedsOperator() {
				end.wait = s.opts.Timing.Refused
			}
			return 0, end
		}
		return 0, ended{reason: "dial", err: err}
	}
	s.stats.connects.Add(1)
	ss := newSession(s, ws, key)
	end = ss.run(ctx)
	return ss.liveFor(), end
}

// dial opens the socket. Its errors never show the key, which is in the
// address's query because the gateway looks for it there.
func (s *Source) dial(ctx context.Context, key string) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timing.Handshake)
	defer cancel()
	u := *s.url
	u.RawQuery = url.Values{"apikey": {key}, "vsn": {"2.0.0"}}.Encode()
	d := websocket.Dialer{
		Proxy:            http.ProxyFromEnvironment,
		HandshakeTimeout: s.opts.Timing.Handshake,
		NetDialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := (&net.Dialer{KeepAlive: 15 * time.Second}).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return recv.NewPrompt(conn), nil
		},
	}
	ws, resp, err := d.DialContext(ctx, u.String(), http.Header{"User-Agent": {"chatbridge"}})
	if err == nil {
		return ws, nil
	}
	if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
		defer resp.Body.Close()
		return nil, handshakeRefusal(resp)
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	return nil, fmt.Errorf("connect to %s: %w", s.url.Host, err)
}
