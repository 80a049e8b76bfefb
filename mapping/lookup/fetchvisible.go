package lookup

import (
	"context"
	"time"

	"chatbridge/internal/retry"
	"chatbridge/mapping"
	"chatbridge/mapping/engine"
	"chatbridge/mapping/internal/convert"
	"chatbridge/source"
)

// pauses are how long to wait before asking again for what was not found: 35 ms
// in all.
//
// Postgres sends a transaction to its walsender when the commit is on disk,
// and only then makes it visible to others. So a row that the stream has just
// shown may not be there yet for a question: seen on a busy machine with
// contacts that were inserted in one transaction with their conversations.
// What does not exist at all costs these pauses once, and is then remembered as
// absent.
var pauses = [...]time.Duration{2 * time.Millisecond, 8 * time.Millisecond, 25 * time.Millisecond}

// fetchVisible asks, and asks again for the conversations and references that
// were not found, and for newest messages where one was found that is gone.
func (l *Lookup) fetchVisible(ctx context.Context, need *engine.Need, found func(engine.Found)) error {
	have, last := map[rowID]bool{}, false
	var early []engine.RowKey // conversations of which a message that is gone was found
	collect := func(f engine.Found) {
		l.rows.Add(1)
		if conv, gone := l.gone(need, f); gone && !last {
			early = append(early, conv)
			return
		}
		for _, t := range l.tables {
			if t.Role == f.Table && t.Key < len(f.Row) {
				have[rowID{f.Table, rowKey(t, f.Row)}] = true
			}
		}
		found(f)
	}
	err := l.fetcher.fetch(ctx, need, collect)
	for i, pause := range pauses {
		if err != nil {
			return err
		}
		missing := stillMissing(need, have)
		missing.Newest = early
		if missing.Empty() {
			return nil
		}
		if err := retry.Sleep(ctx, pause); err != nil {
			if len(early) > 0 {
				return err
			}
			return nil
		}
		l.again.Add(1)
		early, last = nil, i == len(pauses)-1
		err = l.fetcher.fetch(ctx, &missing, collect)
	}
	return err
}

// gone reports whether a newest message was found that its conversation has no more.
func (l *Lookup) gone(need *engine.Need, f engine.Found) (conversation engine.RowKey, gone bool) {
	if !f.Newest || len(need.Left) == 0 {
		return conversation, false
	}
	m := l.tables[0]
	conversation = engine.RowKey{Workspace: string(f.Row[m.Workspace].Data), Key: string(f.Row[m.Conversation].Data)}
	now, left := need.Left[engine.Leaving{Conversation: conversation, Message: string(f.Row[m.Key].Data)}]
	return conversation, left && convert.TimeOrder(f.Row[m.Newest].Data) > now
}

type rowID struct {
	role string
	key  engine.RowKey
}

// rowKey is the key of a row of table t.
func rowKey(t mapping.Table, row source.Row) engine.RowKey {
	k := engine.RowKey{Key: string(row[t.Key].Data)}
	if t.Workspace >= 0 {
		k.Workspace = string(row[t.Workspace].Data)
	}
	return k
}

// stillMissing is what of the need was not found, as far as it ought to be
// there.
func stillMissing(need *engine.Need, have map[rowID]bool) engine.Need {
	out := engine.Need{Conversations: without(need.Conversations, "conversation", have)}
	if len(need.Many) > 0 { // a message that may have been inserted a moment ago
		out.Messages = without(need.Messages, "message", have)
	}
	for _, r := range need.References {
		if keys := without(r.Keys, r.Table, have); len(keys) > 0 {
			out.References = append(out.References, engine.ReferenceNeed{Table: r.Table, Keys: keys})
		}
	}
	return out
}

func without(keys []engine.RowKey, role string, have map[rowID]bool) []engine.RowKey {
	var out []engine.RowKey
	for _, k := range keys {
		if !have[rowID{role, k}] {
			out = append(out, k)
		}
	}
	return out
}
