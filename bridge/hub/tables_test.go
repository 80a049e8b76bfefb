package hub_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"chatbridge/bridge/hub"
	"chatbridge/internal/history"
	"chatbridge/socketio"
)

// fakeTables are the database's tables, as far as they were published.
type fakeTables struct {
	// rows bounds the messages of one reading; 0 for no bound.
	rows int
	// fails tells whether a reading fails, by how many there were before.
	fails func(n int) bool
	// takes is how long a reading takes.
	takes time.Duration
	// shared: a reading is answered by the oldest one with which it may be.
	shared bool

	mu    sync.Mutex
	asked []hub.FarAsk
}

type tablesOf struct {
	*fakeTables
	m *model
}

var errNoDatabase = errors.New("the database is away")

// Read implements hub.Tables.
func (f *tablesOf) Read(ctx context.Context, ask *hub.FarAsk, send func([]hub.FarPacket) error) (rest []hub.FarRest, err error) {
	f.mu.Lock()
	n := len(f.asked)
	f.asked = append(f.asked, *ask)
	f.mu.Unlock()
	if f.takes > 0 {
		select {
		case <-time.After(f.takes):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	asOf := time.Now()
	if f.shared {
		asOf = later(ask.Until, ask.Fresh)
	}
	messages, statuses, conversations := f.read(ask, asOf)
	if f.rows > 0 && len(messages) > f.rows {
		messages = messages[len(messages)-f.rows:]
		since := ask.Messages
		for _, t := range ask.Of {
			if since.IsZero() || t.Before(since) {
				since = t
			}
		}
		rest = append(rest, hub.FarRest{Since: since, Until: messages[0].At})
		if err := ask.LeftOut(rest); err != nil {
			return nil, err
		}
		rest = nil
	}
	for _, events := range [][]history.Event{messages, statuses, conversations} {
		for part := range slices.Chunk(events, 7) {
			if err := send(packetsOf(part)); err != nil {
				return nil, err
			}
			if f.fails != nil && f.fails(n) {
				return nil, errNoDatabase
			}
		}
	}
	if f.fails != nil && f.fails(n) {
		return nil, errNoDatabase
	}
	return rest, nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// read returns what is asked for as it was then: messages, oldest first, the statuses of
// the conversations' messages, the conversations.
func (f *tablesOf) read(ask *hub.FarAsk, asOf time.Time) (messages, statuses, conversations []history.Event) {
	f.m.truthMu.Lock()
	defer f.m.truthMu.Unlock()
	status, conversation := map[string]history.Event{}, map[string]history.Event{}
	for _, ev := range f.m.truth.Events[:f.m.published] {
		if ev.Workspace != ask.Workspace || ev.At.After(asOf) || ev.Kind == history.Message && ev.At.After(ask.Until) {
			continue
		}
		since, asked := ask.Of[ev.Conversation]
		if !ask.Messages.IsZero() {
			since, asked = ask.Messages, true
		}
		switch {
		case ev.Kind == history.Conversation && !ask.Conversations.IsZero() && !ev.At.Before(ask.Conversations):
			conversation[ev.Conversation] = ev
		case ev.Kind == history.Message && asked && !ev.At.Before(since):
			messages = append(messages, ev)
		case ev.Kind == history.MessageStatus && (asked || !ask.Conversations.IsZero()):
			status[ev.Message] = ev
		}
	}
	return messages, inCommitOrder(status), inCommitOrder(conversation)
}

func inCommitOrder(of map[string]history.Event) []history.Event {
	var out []history.Event
	for _, ev := range of {
		out = append(out, ev)
	}
	slices.SortFunc(out, func(a, b history.Event) int { return cmp.Compare(a.Position.Commit, b.Position.Commit) })
	return out
}

func packetsOf(events []history.Event) []hub.FarPacket {
	var out []hub.FarPacket
	for _, ev := range events {
		body, _ := json.Marshal(payload{ev.Message, ev.Workspace, ev.Conversation, ev.Status, ""})
		p := hub.FarPacket{Packet: socketio.NewEvent("/", string(ev.Kind), body), Created: ev.At.UnixMicro()}
		if ev.Kind == history.Message && hasOther(&ev) {
			p.Other = otherPrefix + ev.Message
		}
		out = append(out, p)
		if ev.Position.Index >= underOther {
			body, _ = json.Marshal(payload{otherPrefix + ev.Message, ev.Workspace, ev.Conversation, ev.Status, ""})
			out = append(out, hub.FarPacket{Packet: socketio.NewEvent("/", string(ev.Kind), body)})
		}
	}
	return out
}
