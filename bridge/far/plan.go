package far

import (
	"context"
	"maps"
	"slices"
	"time"

	"chatbridge/bridge/hub"
	"chatbridge/mapping/lookup"
)

const (
	// slack is how much earlier and later than asked for rows are read: a row's time is
	// that of its transaction's begin, by the database's clock. What is sent twice for
	// that does no harm.
	slack = time.Minute
	// statusesEach is of how many newest messages of one conversation the statuses are
	// sent, statuses of how many in all.
	statusesEach = 50
	statuses     = 1000
	// conversationsOf bounds the conversations whose statuses are sent where the
	// messages of all are asked for.
	conversationsOf = 50
	// partRows and partBytes bound what is read and rendered at once.
	partRows  = 128
	partBytes = 2 << 20
)

// part is a piece of a reading: rows of one kind, in the order in which they are sent.
type part struct {
	kind partKind
	keys []string
}

type partKind uint8

const (
	partMessages partKind = iota
	partStatuses
	partConversations
)

// plan reads the keys of what is asked for. rest is what the bounds leave out.
func (r *Reader) plan(ctx context.Context, ask *hub.FarAsk) (parts []part, rest []hub.FarRest, err error) {
	p := &planning{r: r, ask: ask, own: make(map[string]*list)}
	messages, cut, err := p.messages(ctx)
	if err != nil {
		return nil, nil, err
	}
	rest = append(rest, cut...)
	var conversations []lookup.PastKey
	if !ask.Conversations.IsZero() {
		var more bool
		if conversations, more, err = p.conversations(ctx); err != nil {
			return nil, nil, err
		}
		if more {
			// Those that are left out may have messages of any time.
			rest = append(rest, hub.FarRest{Since: ask.Conversations, Until: ask.Until})
		}
	}
	of := slices.Collect(maps.Keys(ask.Of))
	if !ask.Messages.IsZero() {
		for _, c := range conversations[:min(len(conversations), conversationsOf)] {
			of = append(of, c.Key)
		}
	}
	newest, err := p.newest(ctx, of)
	if err != nil {
		return nil, nil, err
	}
	newest = append(repeated(messages, ask), without(newest, messages)...)
	for _, keys := range [][]lookup.PastKey{messages, newest, conversations} {
		slices.Reverse(keys) // the oldest first
	}
	parts = appendParts(parts, partMessages, messages)
	parts = appendParts(parts, partStatuses, newest)
	return appendParts(parts, partConversations, conversations), rest, nil
}

// repeated are those of the messages that the client may know, with another status: it
// ignores a message that it knows.
func repeated(messages []lookup.PastKey, ask *hub.FarAsk) []lookup.PastKey {
	since := ask.Messages
	for _, at := range ask.Of {
		if at.After(since) {
			since = at
		}
	}
	return slices.DeleteFunc(slices.Clone(messages), func(m lookup.PastKey) bool { return m.At.After(since.Add(slack)) })
}

// without are those of the keys that the others are not.
func without(keys, others []lookup.PastKey) []lookup.PastKey {
	other := make(map[string]bool, len(others))
	for _, k := range others {
		other[k.Key] = true
	}
	return slices.DeleteFunc(keys, func(k lookup.PastKey) bool { return other[k.Key] })
}

// messages gathers the keys of the messages that are asked for, the newest first.
func (p *planning) messages(ctx context.Context) (keys []lookup.PastKey, rest []hub.FarRest, err error) {
	ask, more := p.ask, false
	since, conversation := ask.Messages, ""
	if !ask.Messages.IsZero() {
		keys, more, err = p.allMessages(ctx)
	} else if len(ask.Of) > 0 {
		for c, at := range ask.Of {
			if since.IsZero() || at.Before(since) {
				since = at
			}
			if len(ask.Of) == 1 {
				conversation = c
			}
		}
		keys, more, err = p.messagesOf(ctx)
	}
	if from := oldest(keys, ask.Until); more && from.After(since) {
		rest = append(rest, hub.FarRest{Conversation: conversation, Since: since, Until: from})
	}
	return keys, rest, err
}

// oldest is the time of the oldest row that is sent; else where none tells it.
func oldest(keys []lookup.PastKey, otherwise time.Time) time.Time {
	if len(keys) == 0 || keys[len(keys)-1].At.IsZero() {
		return otherwise
	}
	return keys[len(keys)-1].At
}

// appendParts cuts keys into parts.
func appendParts(parts []part, kind partKind, keys []lookup.PastKey) []part {
	size := 0
	for i, k := range keys {
		if last := len(parts) - 1; i == 0 || size+k.Bytes > partBytes || len(parts[last].keys) == partRows {
			parts, size = append(parts, part{kind: kind}), 0
		}
		last := &parts[len(parts)-1]
		last.keys, size = append(last.keys, k.Key), size+k.Bytes
	}
	return parts
}
