package realtime

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// checkKey hands a key that was replaced to the channels, so that the old one
// may expire. A key that is no JWT is known to the gateway only, which sees
// it at the handshake.
func (ss *session) checkKey(ctx context.Context) *ended {
	key, err := ss.s.opts.KeyFunc(ctx)
	if err != nil || key == ss.key {
		return nil // an unreadable key is reported when it is needed
	}
	ss.key = key
	if strings.HasPrefix(key, "sb_") {
		return &ended{reason: "key_changed", err: errors.New("the service key was replaced"), wait: time.Millisecond}
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
