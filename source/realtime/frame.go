package realtime

import (
	"encoding/json"
	"errors"
	"fmt"
)

// frame is one message of the Phoenix channel protocol 2.0.0: the array
// [join_ref, ref, topic, event, payload]. JoinRef and Ref are empty where the
// array has null. Payload aliases the decoded text.
type frame struct {
	JoinRef, Ref string
	Topic, Event string
	Payload      json.RawMessage
}

// The protocol's events that a client meets.
const (
	eventJoin      = "phx_join"
	eventReply     = "phx_reply"
	eventClose     = "phx_close"
	eventError     = "phx_error"
	eventSystem    = "system"
	eventChanges   = "postgres_changes"
	eventHeartbeat = "heartbeat"
	eventToken     = "access_token"

	topicPhoenix = "phoenix"
)

// maxFrame is the longest frame read, in bytes. A change is cut by the server
// at 1 MiB of WAL JSON, which was seen to become a frame of 1.8 MB when an
// unchanged column appears twice.
const maxFrame = 16 << 20

var errFrame = errors.New("frame is not [join_ref, ref, topic, event, payload]")

// decodeFrame reads one text frame. It never panics; anything but an array of
// five or more is an error.
func decodeFrame(data []byte) (frame, error) {
	var parts []json.RawMessage
	if err := json.Unmarshal(data, &parts); err != nil || len(parts) < 5 {
		return frame{}, errFrame
	}
	f := frame{JoinRef: refText(parts[0]), Ref: refText(parts[1]), Payload: parts[4]}
	if json.Unmarshal(parts[2], &f.Topic) != nil || json.Unmarshal(parts[3], &f.Event) != nil {
		return frame{}, errFrame
	}
	return f, nil
}

// refText is a reference as text. We send strings and the server echoes what
// it got, so anything else is not ours and is kept as it is written.
func refText(raw json.RawMessage) string {
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

// encodeFrame appends the frame. References are decimal strings; an empty one
// becomes null.
func encodeFrame(dst []byte, f frame) ([]byte, error) {
	ref := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	b, err := json.Marshal([]any{ref(f.JoinRef), ref(f.Ref), f.Topic, f.Event, f.Payload})
	if err != nil {
		return dst, fmt.Errorf("encode frame: %w", err)
	}
	return append(dst, b...), nil
}

// reply is the payload of phx_reply.
type reply struct {
	Status   string `json:"status"`
	Response struct {
		Reason looseText `json:"reason"`
	} `json:"response"`
}

// system is the payload of a system message.
type system struct {
	Message   looseText `json:"message"`
	Status    string    `json:"status"`
	Extension string    `json:"extension"`
}

// looseText is a string, or the JSON of anything else: messages are sometimes
// whatever term the server had at hand.
type looseText string

// UnmarshalJSON implements json.Unmarshaler; it never fails.
func (t *looseText) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) != nil {
		s = string(b)
	}
	*t = looseText(s)
	return nil
}

// joinPayload is the payload of phx_join. Keys without a value must be left
// out: the server takes a filter or a token that is there but null or empty
// for a mistake.
type joinPayload struct {
	Config      joinConfig `json:"config"`
	AccessToken string     `json:"access_token,omitempty"`
}

type joinConfig struct {
	Broadcast struct {
		Ack  bool `json:"ack"`
		Self bool `json:"self"`
	} `json:"broadcast"`
	Presence struct {
		Enabled bool   `json:"enabled"`
		Key     string `json:"key"`
	} `json:"presence"`
	Changes []joinChanges `json:"postgres_changes"`
	Private bool          `json:"private"`
}

type joinChanges struct {
	Event  string `json:"event"`
	Schema string `json:"schema"`
	Table  string `json:"table"`
}
