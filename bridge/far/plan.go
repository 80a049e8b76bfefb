package far

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"chatbridge/bridge/hub"
	"chatbridge/mapping/lookup"
)

const (
	// slack is how much earlier and later than asked for rows are read: a row's time is
	// its writer's choice, such as that of its transaction's begin, by the database's clock.
	// What is sent twice for that does no harm.
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
func (p *planning) plan(ctx context.Context) (parts []part, rest []hub.FarRest, err error) {
	ask := p.ask
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

// messages gathers the keys of the messages that are asked for, the newest first. The bound
// is for what the log does not have, and once more for what is dated within slack after
// that: it may be in the log or not. What is left out of either is told: also rows from
// before what is asked for, and from after, may be of what the client lacks.
func (p *planning) messages(ctx context.Context) (keys []lookup.PastKey, rest []hub.FarRest, err error) {
	ask, more := p.ask, false
	if !ask.Messages.IsZero() {
		keys, more, err = p.allMessages(ctx)
	} else if len(ask.Of) > 0 {
		keys, more, err = p.messagesOf(ctx)
	}
	if !more || err != nil {
		return keys, nil, err
	}
	// Where the log begins is this client's own, so it is read for it alone.
	var ahead []lookup.PastKey
	var tooMany bool
	err = p.turn(ctx, func(ctx context.Context, w *worker) (asked bool, err error) {
		if ahead, tooMany, err = p.between(ctx, w.past, ask.Until, ask.Until.Add(slack)); err != nil {
			return true, err
		}
		keys, more, err = p.between(ctx, w.past, time.Time{}, ask.Until)
		return true, err
	})
	if err != nil {
		return nil, nil, err
	}
	left := p.allOfMessages()
	switch {
	case tooMany: // any of them may have been published before the log begins
		return keys, append(rest, left), nil
	case more:
		// A row was published within slack of its time.
		if left.Until = oldest(keys, ask.Until).Add(slack); left.Until.After(ask.Until) {
			left.Until = ask.Until
		}
		rest = append(rest, left)
	}
	return append(ahead, keys...), rest, nil
}

// allOfMessages is all of the messages that are asked for.
func (p *planning) allOfMessages() hub.FarRest {
	all := hub.FarRest{Since: p.ask.Messages, Until: p.ask.Until}
	for c, at := range p.ask.Of {
		if all.Since.IsZero() || p.ask.Messages.IsZero() && at.Before(all.Since) {
			all.Since = at
		}
		if len(p.ask.Of) == 1 && p.ask.Messages.IsZero() {
			all.Conversation = c
		}
	}
	return all
}

// between reads the keys of those of the messages asked for that were made after from and
// up to until.
func (p *planning) between(ctx context.Context, past past, from, until time.Time) (keys []lookup.PastKey, more bool, err error) {
	begin := func(since time.Time) time.Time {
		if since = since.Add(-slack); since.Before(from) {
			return from
		}
		return since
	}
	if !p.ask.Messages.IsZero() {
		return past.AllMessages(ctx, p.ask.Workspace, begin(p.ask.Messages), until, p.r.opts.Rows)
	}
	var of []lookup.Since
	for c, at := range p.ask.Of {
		of = append(of, lookup.Since{Conversation: c, At: begin(at)})
	}
	if len(of) == 0 {
		return nil, false, nil
	}
	slices.SortFunc(of, func(a, b lookup.Since) int { return cmp.Compare(a.Conversation, b.Conversation) })
	return past.Messages(ctx, p.ask.Workspace, of, until, p.r.opts.Rows)
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
