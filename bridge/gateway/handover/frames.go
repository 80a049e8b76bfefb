package handover

import (
	"errors"
	"time"

	"chatbridge/bridge/gateway/frame"
)

// maxFrame bounds a frame that is inspected, in bytes.
const maxFrame = maxBuffered / 2

// FromClient passes the client's frames to ChatEngine until the hand-over has
// ended, then returns true; false where the connection has ended.
func (h *Handover) FromClient() bool {
	for !h.hasEnded() {
		f, err := frame.Read(h.client.R, maxFrame)
		if errors.Is(err, frame.ErrTooLarge) {
			h.end(Overrun)
			return true
		}
		if err != nil {
			return false
		}
		if f.IsText() && isConnect(f.Payload) {
			// Before ChatEngine has it, so that none of its events is missed.
			h.connect(f.Payload)
		}
		if h.upstream.Write(f.Raw) != nil {
			return false
		}
		if f.IsText() && subscribes(eventName(f.Payload)) {
			h.subscribe(f.Payload)
		}
	}
	return true
}

// FromUpstream passes or buffers ChatEngine's frames until the hand-over has
// ended, then returns true; false where the connection has ended.
func (h *Handover) FromUpstream() bool {
	for !h.hasEnded() {
		f, err := frame.Read(h.upstream.R, maxFrame)
		if errors.Is(err, frame.ErrTooLarge) {
			h.end(Overrun)
			return true
		}
		if err != nil {
			h.end(Gone)
			return false
		}
		if !f.Fin && f.IsData() {
			// Nothing may be written between the fragments of a message.
			h.end(Overrun)
		}
		if !h.pass(f) {
			return false
		}
	}
	return true
}

// pass handles one frame of ChatEngine's; false where the client cannot be
// written to.
func (h *Handover) pass(f frame.Frame) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.phase == ended || !f.IsText() {
		return h.batch.writeAfter(f.Raw) == nil
	}
	if h.phase == buffering && replayed(eventName(f.Payload)) {
		h.bufferEvent(f)
		return true
	}
	raw, accepts := f.Raw, isConnect(f.Payload) && h.acceptedAt.IsZero()
	if accepts && h.service.opts.Since != nil {
		began := h.owed
		if began.IsZero() {
			began = time.Now()
		}
		p, pid := withSince(f.Payload, h.since, began)
		if p != nil {
			raw = frame.AppendText(nil, p)
		}
		h.pid = pid
		h.service.departures.connected(pid, h.owed)
	}
	if h.phase == following {
		h.follow.passed(f.Payload)
	}
	if h.batch.writeAfter(raw) != nil {
		return false
	}
	switch {
	case accepts:
		return h.accepted(time.Now())
	case isConnectError(f.Payload):
		h.endLocked(Refused)
	}
	return true
}

// bufferEvent makes an event wait; h.mu is held. Past the bound the oldest are dropped
// where the bridge feeds the client, because it sends those too; otherwise all
// are passed on.
func (h *Handover) bufferEvent(f frame.Frame) {
	h.buffer.add(f)
	if h.buffer.full() && h.progress.state == absent {
		h.passBuffered()
	}
	h.buffer.dropOldest()
}
