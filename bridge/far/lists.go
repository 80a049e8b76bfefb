package far

import (
	"cmp"
	"context"
	"slices"
	"time"

	"chatbridge/bridge/hub"
	"chatbridge/mapping/lookup"
)

// list is what was read of the keys of a conversation's messages, of all of a workspace's,
// or of its conversations. Clients that were away for about as long are served from one,
// each with what it missed itself.
type list struct {
	keys []lookup.PastKey // the newest first
	// from is since when it has all; more: there are older ones since it was asked for.
	from time.Time
	more bool
}

// Of what a list is.
const (
	listOf            byte = 'o' // messages of a conversation
	listNewest        byte = 'n' // its newest messages
	listAll           byte = 'a' // messages of the workspace
	listConversations byte = 'c'
)

// since returns the keys since a time, and those that do not tell theirs.
func (l *list) since(at time.Time) []lookup.PastKey {
	var keys []lookup.PastKey
	for _, k := range l.keys {
		if k.At.IsZero() || k.At.After(at) {
			keys = append(keys, k)
		}
	}
	return keys
}

// aligned is a time before at, by an eighth of its age at most, at which lists begin: so
// those of clients that left at about the same time are the same.
func aligned(at time.Time) time.Time {
	step := time.Second
	for step < time.Since(at)/16 {
		step *= 2
	}
	return at.Truncate(step)
}

// planning is one reading of which the keys are gathered.
type planning struct {
	r   *Reader
	ask *hub.FarAsk
	// own are the lists that were read for it, whatever became of those that are shared.
	own   map[string]*list
	begun bool
	// unshared are the lists of the question that is being asked.
	unshared []func()
	// hides: row level security may have hidden rows.
	hides bool
}

func (p *planning) list(kind byte, key string) *list {
	k := sharedKey(p.ask.Workspace, kind, key)
	if l := p.own[k]; l != nil {
		return l
	}
	l, _ := p.r.lists.get(k, p.ask.Until)
	return l
}

func (p *planning) keep(kind byte, key string, l *list, at time.Time) {
	k := sharedKey(p.ask.Workspace, kind, key)
	p.own[k] = l
	p.unshared = append(p.unshared, func() { p.r.lists.put(k, l, 64+128*len(l.keys), at) })
}

// until has what ready lacks be read, until it lacks nothing. What another client had read
// while this one waited for its turn is not read again.
func (p *planning) until(ctx context.Context, ready func() bool, read func(context.Context, past, time.Time) error) error {
	for !ready() {
		if err := p.turn(ctx, func(ctx context.Context, w *worker) (asked bool, err error) {
			if ready() {
				return false, nil
			}
			p.r.counters.lists.Add(1)
			return true, read(ctx, w.past, time.Now())
		}); err != nil {
			return err
		}
	}
	return nil
}

// turn has lists be read. What others may have of them, if row level security cannot have
// hidden anything from them, is shared.
func (p *planning) turn(ctx context.Context, read func(context.Context, *worker) (asked bool, err error)) error {
	goesOn := p.begun
	p.begun, p.unshared = true, nil
	return p.r.turn(ctx, p.ask.Workspace, goesOn, func(ctx context.Context, w *worker) error {
		if asked, err := read(ctx, w); !asked || err != nil {
			return err
		}
		hides, err := p.r.hidden(ctx, w.past)
		if err != nil {
			return err
		}
		if hides {
			p.hides = true
			return nil
		}
		for _, share := range p.unshared {
			share()
		}
		return nil
	})
}

// messagesOf gathers the keys of the messages of single conversations, the newest first;
// more: the bound left out older ones.
func (p *planning) messagesOf(ctx context.Context) (keys []lookup.PastKey, more bool, err error) {
	var of, missing []lookup.Since
	for c, at := range p.ask.Of {
		of = append(of, lookup.Since{Conversation: c, At: at.Add(-slack)})
	}
	slices.SortFunc(of, func(a, b lookup.Since) int { return cmp.Compare(a.Conversation, b.Conversation) })
	rows, tries := p.r.opts.Rows, 0
	err = p.until(ctx, func() bool {
		var short []lookup.Since
		var from time.Time
		keys, more, missing = nil, false, nil
		for _, s := range of {
			l := p.list(listOf, s.Conversation)
			if l == nil {
				missing = append(missing, s)
				continue
			}
			if keys = append(keys, l.since(s.At)...); l.from.After(s.At) {
				if short = append(short, s); l.from.After(from) {
					from = l.from
				}
			}
		}
		if len(missing) > 0 {
			return false
		}
		newestFirst(keys)
		if more = len(short) > 0; more {
			if n := slices.IndexFunc(keys, func(k lookup.PastKey) bool { return k.At.Before(from) }); n >= 0 {
				keys = keys[:n] // there may be others between
			}
			// More of them would not be sent either.
			if missing = short; len(keys) < rows && tries < 2 {
				return false
			}
		}
		if len(keys) > rows {
			keys, more = keys[:rows], true
		}
		return true
	}, func(ctx context.Context, past past, now time.Time) error {
		if tries++; tries == 2 {
			missing = slices.Clone(of) // within one bound
		}
		for i := range missing {
			missing[i].At = aligned(missing[i].At)
		}
		read, cut, err := past.Messages(ctx, p.ask.Workspace, missing, now.Add(slack), rows)
		if err != nil {
			return err
		}
		lists := make(map[string]*list, len(missing))
		for _, s := range missing {
			l := &list{from: s.At}
			if cut && len(read) > 0 {
				l.from = later(s.At, read[len(read)-1].At)
			}
			lists[s.Conversation] = l
		}
		for _, k := range read {
			if l := lists[k.Conversation]; l != nil { // each is of one that was asked for
				l.keys = append(l.keys, k)
			}
		}
		for c, l := range lists {
			p.keep(listOf, c, l, now)
		}
		return nil
	})
	return p.upToUntil(keys), more, err
}

// allMessages gathers those of the whole workspace.
func (p *planning) allMessages(ctx context.Context) (keys []lookup.PastKey, more bool, err error) {
	keys, more, err = p.ofWorkspace(ctx, listAll, p.ask.Messages, func(ctx context.Context, past past, since, now time.Time) ([]lookup.PastKey, bool, error) {
		return past.AllMessages(ctx, p.ask.Workspace, since, now.Add(slack), p.r.opts.Rows)
	})
	return p.upToUntil(keys), more, err
}

// conversations gathers those that changed, the latest change first.
func (p *planning) conversations(ctx context.Context) (keys []lookup.PastKey, more bool, err error) {
	return p.ofWorkspace(ctx, listConversations, p.ask.Conversations, func(ctx context.Context, past past, since, _ time.Time) ([]lookup.PastKey, bool, error) {
		return past.Conversations(ctx, p.ask.Workspace, since, p.r.opts.Rows)
	})
}

// ofWorkspace gathers keys of a list of which there is one in the workspace.
func (p *planning) ofWorkspace(ctx context.Context, kind byte, since time.Time, ask func(ctx context.Context, past past, since, now time.Time) ([]lookup.PastKey, bool, error)) (keys []lookup.PastKey, more bool, err error) {
	since = since.Add(-slack)
	err = p.until(ctx, func() bool {
		l := p.list(kind, "")
		if l == nil || l.from.After(since) && !l.more {
			return false
		}
		keys, more = l.since(since), l.more && l.from.After(since)
		return true
	}, func(ctx context.Context, past past, now time.Time) error {
		l := &list{from: aligned(since)}
		if l.keys, l.more, err = ask(ctx, past, l.from, now); err != nil {
			return err
		}
		if l.more {
			l.from = later(l.from, oldest(l.keys, now))
		}
		p.keep(kind, "", l, now)
		return nil
	})
	return keys, more, err
}

// newest gathers the keys of the newest messages of conversations.
func (p *planning) newest(ctx context.Context, of []string) (keys []lookup.PastKey, err error) {
	slices.Sort(of)
	for group := range slices.Chunk(of, conversationsOf) {
		var missing []string
		var got []lookup.PastKey
		err := p.until(ctx, func() bool {
			got, missing = nil, nil
			for _, c := range group {
				if l := p.list(listNewest, c); l != nil {
					got = append(got, l.keys...)
				} else {
					missing = append(missing, c)
				}
			}
			return len(missing) == 0
		}, func(ctx context.Context, past past, now time.Time) error {
			read, err := past.Newest(ctx, p.ask.Workspace, missing, statusesEach, statusesEach*len(missing))
			if err != nil {
				return err
			}
			lists := make(map[string]*list, len(missing))
			for _, c := range missing {
				lists[c] = new(list)
			}
			for _, k := range read {
				l := lists[k.Conversation]
				l.keys = append(l.keys, k)
			}
			for c, l := range lists {
				p.keep(listNewest, c, l, now)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		keys = append(keys, got...)
		newestFirst(keys)
		keys = keys[:min(len(keys), statuses)]
	}
	return keys, nil
}

// upToUntil leaves out what the log has.
func (p *planning) upToUntil(keys []lookup.PastKey) []lookup.PastKey {
	until := p.ask.Until.Add(slack)
	return slices.DeleteFunc(keys, func(k lookup.PastKey) bool { return k.At.After(until) })
}

// newestFirst orders the keys of several lists. Those of a list stay in the database's
// order: it knows times better than to the millisecond.
func newestFirst(keys []lookup.PastKey) {
	slices.SortStableFunc(keys, func(a, b lookup.PastKey) int { return b.At.Compare(a.At) })
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
