package gateway

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// maxIdentities bounds what is remembered of one client's feed.
const maxIdentities = 20_000

// given is what the bridge has said to a client: by subject, each state.
type given map[string][]string

// add remembers an event.
func (g given) add(packet []byte) {
	subject, state := identity(packet)
	if subject == "" || len(g) >= maxIdentities || g.has(subject, state) {
		return
	}
	g[subject] = append(g[subject], state)
}

func (g given) has(subject, state string) bool { return slices.Contains(g[subject], state) }

// kept is a frame of ChatEngine's that waits.
type kept struct {
	frame
	at             time.Time
	subject, state string
}

// news returns those of the frames that say what the bridge has not said, in
// their order. Of a subject's states up to the last one that the bridge has
// said, none is news; nor is any from before the time covered, of a subject on
// which the bridge has spoken.
func (g given) news(frames []kept, covered time.Time) []kept {
	known := make(map[string]bool)
	var news []kept
	for _, f := range slices.Backward(frames) {
		if f.subject != "" {
			_, spoken := g[f.subject]
			if known[f.subject] || spoken && f.at.Before(covered) {
				continue
			}
			if g.has(f.subject, f.state) {
				known[f.subject] = true
				continue
			}
		}
		news = append(news, f)
	}
	slices.Reverse(news)
	return news
}

// identity tells of what an event speaks and what it says of that, in few
// words: two events with the same leave the client in the same state. Both are
// empty for an event that it cannot tell it of.
//
// It is what keeps a catch-up from turning back: of a message that was
// delivered, then read, the bridge may have said read alone; ChatEngine's
// delivered, said last, would stay.
func identity(packet []byte) (subject, state string) {
	_, args, ok := bytes.Cut(packet, []byte("["))
	if !ok {
		return "", ""
	}
	event := gjson.ParseBytes(packet[len(packet)-len(args)-1:])
	var name, payload gjson.Result
	event.ForEach(func(_, v gjson.Result) bool {
		if name.Exists() {
			payload = v
			return false
		}
		name = v
		return true
	})
	kind, key, says := "", "", ""
	switch name.Str {
	case "message":
		kind, key = "m ", "id"
	case "messageStatus":
		kind, key, says = "s ", "messageId", "status"
	case "conversation":
		kind, key, says = "c ", "id", "lastMessage"
	default:
		return "", ""
	}
	payload.ForEach(func(k, v gjson.Result) bool {
		switch {
		case k.Str == key:
			subject = kind + v.Str // a copy, as state is: the packet is not kept alive
		case says != "" && k.Str == says:
			if v.IsObject() {
				v = v.Get("id")
			}
			state = strings.Clone(v.Str)
		default:
			return true
		}
		return subject == "" || says != "" && state == ""
	})
	if subject == "" || subject == kind {
		return "", ""
	}
	return subject, state
}
