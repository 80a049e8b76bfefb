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
	past *lookup.Past
	find *lookup.Lookup
}

// rendered is what a part became.
type rendered struct {
	packets []hub.FarPacket
	// leftOut are the conversations of which an event was too large to be sent.
	leftOut []string
	rows    int
	// hides: row level security may have hidden rows.
	hides bool
}

// packets reads a part's rows and makes of them the packets that the stream would have
// sent, but without offsets.
func (r *Reader) packets(ctx context.Context, w *worker, workspace string, p part) (out rendered, err error) {
	err = r.events(ctx, w, workspace, p, func(ev *contract.Event) { out.packets = append(out.packets, r.packet(ev)) }, &out)
	return out, err
}

// events reads a part's rows and makes of them the events that the stream would have
// made. What was left out, and how many rows there were, goes into out.
func (r *Reader) events(ctx context.Context, w *worker, workspace string, p part, each func(*contract.Event), out *rendered) error {
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
	out.rows = len(rows)
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
	if r.opts.ChatEngineIDs && len(ev.Other) > 0 {
		return contract.Renamed(nil, ev.Payload, ev.Other)
	}
	return ev.Payload
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
