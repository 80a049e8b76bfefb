package far

import (
	"bytes"
	"context"
	"slices"
	"time"

	"chatbridge/bridge/hub"
	"chatbridge/mapping/contract"
	"chatbridge/mapping/engine"
	"chatbridge/mapping/lookup"
	"chatbridge/socketio"
	"chatbridge/source"
)

// worker is what asks the database for one reading at a time.
type worker struct {
	past  past
	pages *lookup.Past // nil over PostgREST
	find  *lookup.Lookup
}

// past reads rows by time: a lookup.Past or a lookup.RESTPast.
type past interface {
	Check(context.Context) error
	Messages(ctx context.Context, workspace string, of []lookup.Since, until time.Time, limit int) (keys []lookup.PastKey, more bool, err error)
	AllMessages(ctx context.Context, workspace string, since, until time.Time, limit int) (keys []lookup.PastKey, more bool, err error)
	Newest(ctx context.Context, workspace string, conversations []string, each, limit int) (keys []lookup.PastKey, err error)
	Conversations(ctx context.Context, workspace string, since time.Time, limit int) (keys []lookup.PastKey, more bool, err error)
	MessageRows(ctx context.Context, workspace string, keys []string, row func(source.Row)) error
	ConversationRows(ctx context.Context, workspace string, keys []string, row func(source.Row)) error
	Relations() (messages, conversations *source.Relation)
	Keys() (message, conversation int)
	Hidden(context.Context) (what, remedy string, err error)
}

var (
	_ past = (*lookup.Past)(nil)
	_ past = (*lookup.RESTPast)(nil)
)

// rendered is what rows became.
type rendered struct {
	packets []hub.FarPacket
	// leftOut are the conversations of which an event was too large to be sent.
	leftOut []string
	// hides: row level security may have hidden rows.
	hides bool
}

// size is about what it takes in memory.
func (r rendered) size() int {
	size := 96
	for _, p := range r.packets {
		size += p.Size() + len(p.Other) + 160
	}
	return size
}

// found is what the rows of a part say of themselves, in order, and what was left out.
type found struct {
	rows    []foundRow
	leftOut []string
}

type foundRow struct{ key, conversation string }

// packets reads a part's rows and makes of them the packets that the stream would have
// sent, but without offsets; n is how many rows there were. apart tells that each packet is
// with its own row.
func (r *Reader) packets(ctx context.Context, w *worker, workspace string, p part) (rows map[string]rendered, n int, apart bool, err error) {
	rows, apart = make(map[string]rendered, len(p.keys)), true
	var out found
	at := -1 // rows come one after another: the row of the latest event
	err = r.events(ctx, w, workspace, p, func(ev *contract.Event) {
		i := out.next(at, ev)
		if i < 0 && (at < 0 || p.kind != partStatuses) {
			apart, i = false, max(at, 0)
		}
		at = max(at, i) // else it is one more of the same row, under another id
		key := out.rows[at].key
		row := rows[key]
		row.packets = append(row.packets, r.packet(ev))
		rows[key] = row
	}, &out)
	for _, conversation := range out.leftOut {
		out.leaveOut(rows, conversation)
	}
	return rows, len(out.rows), apart, err
}

// next is the place of the row, from the one at on, whose own id the event has; -1 for none.
func (f *found) next(at int, ev *contract.Event) int {
	for i := max(at, 0); i < len(f.rows); i++ {
		if f.rows[i].key == string(ev.Key) && f.rows[i].conversation == string(ev.Conversation) {
			return i
		}
	}
	return -1
}

// leaveOut notes with the conversation's rows that are not sent that an event was too
// large; with all of its rows if each is sent.
func (f *found) leaveOut(rows map[string]rendered, conversation string) {
	of := slices.DeleteFunc(slices.Clone(f.rows), func(r foundRow) bool { return r.conversation != conversation })
	if unsent := slices.DeleteFunc(slices.Clone(of), func(r foundRow) bool { return len(rows[r.key].packets) > 0 }); len(unsent) > 0 {
		of = unsent
	}
	for _, r := range of {
		row := rows[r.key]
		row.leftOut = []string{conversation}
		rows[r.key] = row
	}
}

// events reads a part's rows and makes of them the events that the stream would have
// made. What was left out, and what rows there were, goes into out, the rows before the
// first event.
func (r *Reader) events(ctx context.Context, w *worker, workspace string, p part, each func(*contract.Event), out *found) error {
	rows, err := w.read(ctx, workspace, p)
	if err != nil {
		return err
	}
	mapper := engine.New(r.spec, engine.Options{
		Lookup: w.find, EventBytes: r.opts.EventBytes, BatchRows: 2 * partRows, BatchBytes: 2 * partBytes,
		LeftOut: func(_, conversation []byte, _ contract.Kind) { out.leftOut = append(out.leftOut, string(conversation)) },
	})
	wanted := kinds[p.kind]
	emit := func(ev *contract.Event) error {
		if ev.Kind == wanted && string(ev.Workspace) == workspace {
			each(ev)
		}
		return nil
	}
	// Neither emit nor what is in memory fails.
	mapper.Begin(source.Tx{Commit: 1, Time: time.Now().UTC()})
	messages, conversations := w.past.Relations()
	messageKey, conversationKey := w.past.Keys()
	for _, row := range rows {
		key, conversation := messageKey, r.spec.Plan().Message.Conversation
		if p.kind == partConversations {
			key, conversation = conversationKey, conversationKey
		}
		out.rows = append(out.rows, foundRow{string(row[key].Data), string(row[conversation].Data)})
	}
	for _, row := range rows {
		c := source.Change{Op: source.Update, Relation: messages, New: row}
		// With another key a row is new to whom it is sent; as an INSERT it would have no
		// rows that point to it. Without an old row nothing is known of what changed, so
		// the status counts as changed.
		switch p.kind {
		case partMessages:
			c.Old = otherKey(row, messageKey)
		case partConversations:
			c.Relation, c.Old = conversations, otherKey(row, conversationKey)
		}
		if err := mapper.Change(&c, emit); err != nil {
			return err
		}
	}
	if err := mapper.Commit(emit); err != nil {
		return err
	}
	return mapper.LookupError()
}

// packet is the event as it is sent.
func (r *Reader) packet(ev *contract.Event) hub.FarPacket {
	p := hub.FarPacket{Packet: socketio.NewEvent(hub.Namespace, ev.Kind.String(), r.payload(ev)), Created: ev.Created}
	if !r.opts.ChatEngineIDs {
		p.Other = string(ev.Other)
	}
	return p
}

// payload is the event's, which may alias the Mapper's buffers, under the id that is
// asked for.
func (r *Reader) payload(ev *contract.Event) []byte {
	payload := ev.Payload
	if ev.Kind == contract.Message && r.opts.ClientID != nil {
		if id := r.opts.ClientID(string(ev.Workspace), string(ev.Key)); id != "" {
			payload = contract.WithClientID(payload, id)
		}
	}
	if r.opts.ChatEngineIDs && len(ev.Other) > 0 {
		return contract.Renamed(nil, payload, ev.Other)
	}
	return payload
}

// kinds are the events that each kind of part is sent as. A message's row also makes a
// conversation event: those are sent in their own parts.
var kinds = [...]contract.Kind{partMessages: contract.Message, partStatuses: contract.MessageStatus, partConversations: contract.Conversation}

// read returns a part's rows in its order; those that are gone meanwhile are left out.
func (w *worker) read(ctx context.Context, workspace string, p part) ([]source.Row, error) {
	found, key := make(map[string]source.Row, len(p.keys)), 0
	ask := w.past.MessageRows
	messages, conversations := w.past.Keys()
	if key = messages; p.kind == partConversations {
		ask, key = w.past.ConversationRows, conversations
	}
	err := ask(ctx, workspace, p.keys, func(row source.Row) {
		found[string(row[key].Data)] = cloneRow(row)
	})
	if err != nil {
		return nil, err
	}
	rows := make([]source.Row, 0, len(p.keys))
	for _, k := range p.keys {
		if row := found[k]; row != nil {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

func cloneRow(row source.Row) source.Row {
	out := slices.Clone(row)
	for i := range out {
		out[i].Data = bytes.Clone(out[i].Data)
	}
	return out
}

// otherKey is a row of which no more is known than that its key was another one.
func otherKey(row source.Row, key int) source.Row {
	old := make(source.Row, len(row))
	old[key] = source.Value{Kind: source.Text, Data: append([]byte("-"), row[key].Data...)}
	return old
}
