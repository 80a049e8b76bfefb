package handover

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"chatbridge/internal/jsonscan"
)

const (
	// followMost bounds for how long a client is told of the bridge's texts, followPause the
	// pause between two questions whether there are any, which doubles each time. In each the
	// bridge is looked at followSteps times.
	followMost  = time.Hour
	followPause = 30 * time.Second
	followSteps = 10
	// clientIDPrefix is what the ids begin with under which the bridge tells a workspace of
	// the texts that it sends.
	clientIDPrefix = "opt_"
)

// follow is what a client that has been caught up still gets from the bridge: the outcome of
// the texts that the bridge was sending, which ChatEngine does not know. The zero value passes
// nothing. Handover.mu guards it.
type follow struct {
	texts        map[string]bool // their ids, all that are known
	upstreamTold map[string]bool // subjects that ChatEngine has sent events of since
	pause        time.Duration
}

// followTexts ends the hand-over of what was missed, if that is not done, and goes on with the
// texts that the bridge is sending; h.mu is held.
func (h *Handover) followTexts(o Outcome, texts []string) {
	now := time.Now()
	if h.phase != following {
		h.service.count.outcomes[o].Add(1)
		h.service.departures.caughtUp(h.pid)
		covered := time.Time{}
		if o == Done {
			covered = now.Add(-h.service.opts.CatchUp)
		}
		h.follow = follow{texts: make(map[string]bool), upstreamTold: make(map[string]bool)}
		for _, id := range texts {
			if is, ok := h.sent.ids[id]; ok {
				h.follow.texts[is] = true
			}
		}
		h.writeUnsent(covered)
		_ = h.batch.flush() // an error shows in the tunnel's own reads and writes
		h.phase, h.sent = following, sentStates{}
		h.giveUpAt = now.Add(followMost)
	}
	for _, id := range texts {
		h.follow.texts[id] = true
	}
	h.follow.pause = min(max(2*h.follow.pause, h.service.opts.CatchUp), followPause)
	h.progress.restart()
	h.freshFrom = now
	h.step(now)
}

// passed notes a subject of which ChatEngine sends events: those of the bridge are dropped
// then.
func (f *follow) passed(packet []byte) {
	if replayed(eventName(packet)) {
		if e := identify(packet); strings.HasPrefix(e.subject, statusPrefix) && f.texts[e.subject[len(statusPrefix):]] {
			f.upstreamTold[e.subject] = true
		}
	}
}

// wants tells whether an event of the bridge's is of a text that it sends, or sent.
func (f *follow) wants(packet []byte) bool {
	e := identify(packet)
	if e.subject == "" || f.upstreamTold[e.subject] {
		return false
	}
	id := e.subject[len(messagePrefix):] // the prefixes have one length
	own := !hasOffset(packet)
	if strings.HasPrefix(e.subject, conversationPrefix) {
		return f.texts[e.state] || own && strings.HasPrefix(e.state, clientIDPrefix)
	}
	wants := f.texts[id] || own && strings.HasPrefix(id, clientIDPrefix)
	for _, name := range e.names {
		wants = wants || f.texts[name]
	}
	if wants {
		f.texts[id] = true
		for _, name := range e.names {
			f.texts[name] = true
		}
	}
	return wants
}

// hasOffset reports whether an event is one of the database's: what the bridge tells of a
// text that it sends has none.
func hasOffset(packet []byte) bool {
	n := 0
	for args := jsonscan.Iterate(packet[max(bytes.IndexByte(packet, '['), 0):]); args.Next(); {
		n++
	}
	return n > 2
}

// parseSynced returns what a SyncedEvent has: the number, the ids of the texts that the bridge
// is sending, and whether there are any, or may be soon. The number is 0 in one that cannot be read.
func parseSynced(packet []byte) (number int, texts []string, more bool) {
	args := jsonscan.Iterate(packet[max(bytes.IndexByte(packet, '['), 0):])
	for i := 0; args.Next(); i++ {
		switch i {
		case 1:
			number, _ = strconv.Atoi(string(args.Value)) // no number: 0
		case 2:
			for ids := jsonscan.Iterate(args.Value); ids.Next(); {
				texts = append(texts, text(ids.Value))
			}
		case 3:
			more = string(args.Value) == "true"
		}
	}
	return number, texts, more || len(texts) > 0
}
