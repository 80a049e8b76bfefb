package realtime

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// renewed is the end of a connection whose token, the gateway's, has expired.
func renewed() *ended {
	return &ended{reason: "token", err: errors.New("the gateway's token has expired"), wait: time.Millisecond, expected: true}
}

// KeyReplaced has KeyFunc asked at once, rather than within Timing.KeyCheck or at the
// end of the wait for the next dial. Safe for concurrent use.
func (s *Source) KeyReplaced() {
	select {
	case s.keyReplaced <- struct{}{}:
	default:
	}
}

// gatewayKey reports whether the key is one that the project's gateway takes and puts a
// token of its own in place of. That token lasts a day at most: its end says nothing of
// the key.
func gatewayKey(key string) bool { return strings.HasPrefix(key, "sb_") }

// checkKey hands a key that was replaced to the channels, so that the old one
// may expire. A key that is no JWT is known to the gateway only, which sees
// it at the handshake.
func (ss *session) checkKey(ctx context.Context) *ended {
	key, err := ss.s.opts.KeyFunc(ctx)
	if err != nil || key == ss.key {
		return nil // an unreadable key is reported when it is needed
	}
	ss.key = key
	if gatewayKey(key) {
		return &ended{reason: "key_changed", err: errors.New("the service key was replaced"), wait: time.Millisecond, expected: true}
	}
	payload, err := json.Marshal(map[string]string{"access_token": key})
	if err != nil {
		return &ended{reason: "write", err: err}
	}
	ss.s.log.Info("service key was replaced")
	for _, tb := range ss.s.tables.list {
		c := ss.channels[tb]
		if c.joinRef == "" {
			continue
		}
		f := frame{JoinRef: c.joinRef, Ref: ss.nextRef(), Topic: tb.topic, Event: eventToken, Payload: payload}
		if end := ss.send(f); end != nil {
			return end
		}
	}
	return nil
}
