package gateway

import (
	"bytes"
	"encoding/json"
)

// maxIdentities bounds what is remembered of one client's feed.
const maxIdentities = 10_000

// identity tells what an event says, in few words: two events with the same
// identity leave the client in the same state. Empty for an event that it
// cannot tell it of.
//
// It is what keeps a catch-up from turning back: of a message that someone
// else than ChatEngine has set to read, the bridge says delivered and read,
// ChatEngine delivered alone; said last, that would stay.
func identity(packet []byte) string {
	_, args, ok := bytes.Cut(packet, []byte("["))
	if !ok {
		return ""
	}
	var event []json.RawMessage
	if json.Unmarshal(packet[len(packet)-len(args)-1:], &event) != nil || len(event) < 2 {
		return ""
	}
	var payload struct {
		ID          string
		MessageID   string
		Status      string
		LastMessage struct{ ID string }
	}
	if json.Unmarshal(event[1], &payload) != nil {
		return ""
	}
	const sep = "\x00"
	name := string(event[0])
	switch {
	case name == `"message"` && payload.ID != "":
		return "m" + sep + payload.ID
	case name == `"messageStatus"` && payload.MessageID != "":
		return "s" + sep + payload.MessageID + sep + payload.Status
	case name == `"conversation"` && payload.ID != "":
		return "c" + sep + payload.ID + sep + payload.LastMessage.ID
	}
	return ""
}
