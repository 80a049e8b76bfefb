package lookup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"chatbridge/mapping"
	"chatbridge/mapping/engine"
	"chatbridge/mapping/internal/plan"
	"chatbridge/source"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrNoTime is returned where the messages have no column that tells when they were
// made, or one that is no timestamp: nothing can be read by time.
var ErrNoTime = errors.New("messages have no timestamp to be read by: name one in the mapping (message.newest_by)")

// ErrDerived is returned where what rows would be found by is made of several columns, or
// lies inside of JSON.
var ErrDerived = errors.New("what messages and conversations are found by (key, workspace, conversation) is made of several columns or lies inside of JSON: map a column that has it, such as a generated one")

// errNoColumn is returned where the tables do not have what the mapping names.
var errNoColumn = errors.New("the tables of messages or conversations, or columns by which rows are found, are not there or may not be read")

// CanReadPast reports whether a Past can read the rows of a mapping, as far as that alone
// shows it: ErrNoTime and ErrDerived tell why not.
func CanReadPast(spec *mapping.Spec) error {
	p, tables := spec.Plan(), spec.Tables()
	m, c := &tables[plan.MessageTable], &tables[plan.ConversationTable]
	if p.NewestBy < 0 || m.Columns[p.NewestBy].Derived() {
		return ErrNoTime
	}
	for _, slot := range []int{m.Key, p.Message.Conversation, m.Workspace} {
		if slot < 0 || m.Columns[slot].Derived() {
			return ErrDerived
		}
	}
	for _, slot := range []int{c.Key, c.Workspace} {
		if slot < 0 || c.Columns[slot].Derived() {
			return ErrDerived
		}
	}
	return nil
}

// Past reads the rows of one workspace by time, over a direct connection. It reads
// keys first, so that what is to be read can be bounded, and then the rows. A workspace
// is part of each question, so no other's row comes out. One goroutine uses a Past at a
// time; its context bounds each question, in the server too.
type Past struct {
	fetcher *sqlFetcher
	texts   pastStatements
	of      *columnTypes // the messages' columns that the texts were made for
}

// NewPast returns a Past that asks over pool, which stays its caller's to close. Its
// role needs what NewSQL's does.
func NewPast(pool *pgxpool.Pool, spec *mapping.Spec) *Past {
	f := &sqlFetcher{pool: pool, spec: spec}
	f.lookup = newLookup(f, spec, 0)
	return &Past{fetcher: f}
}

// Check asks the database whether the tables have what rows are read by; ErrNoTime and
// ErrDerived tell that they do not.
func (p *Past) Check(ctx context.Context) error {
	_, _, err := p.keys(ctx, 0, func(*pastStatements) (string, [][]byte) { return "", nil })
	return err
}

// PastKey is a row's key.
type PastKey struct {
	Key string
	// At is when a message was made, or a conversation changed or had its latest message;
	// zero if the row does not say.
	At time.Time
	// Conversation is that of the question whose message it is; of Messages and Newest.
	Conversation string
	// Bytes is about the size of its values.
	Bytes int
	// asked is the place of its conversation in the question, from 1.
	asked int
}

// Since is a conversation's key and since when its messages are asked for.
type Since struct {
	Conversation string
	At           time.Time
}

// Messages returns the keys of conversations' messages up to a time, the newest
// first: limit at most, and whether there are more.
func (p *Past) Messages(ctx context.Context, workspace string, of []Since, until time.Time, limit int) (keys []PastKey, more bool, err error) {
	var ids []string
	keys, more, err = p.keys(ctx, limit, func(t *pastStatements) (string, [][]byte) {
		ids = nil
		var times []string
		for _, s := range of {
			if t.conversation.takes(s.Conversation) {
				ids, times = append(ids, s.Conversation), append(times, timeText(s.At))
			}
		}
		if len(ids) == 0 || !t.workspace.takes(workspace) {
			return "", nil
		}
		return t.messages, [][]byte{arrayText(ids), arrayText(times), []byte(workspace), []byte(timeText(until)), limitText(limit + 1)}
	})
	return attributed(keys, ids), more, err
}

// attributed gives each key the conversation that was asked for.
func attributed(keys []PastKey, ids []string) []PastKey {
	for i := range keys {
		if n := keys[i].asked; n > 0 && n <= len(ids) {
			keys[i].Conversation = ids[n-1]
		}
	}
	return keys
}

// AllMessages is Messages of all conversations of the workspace.
func (p *Past) AllMessages(ctx context.Context, workspace string, since, until time.Time, limit int) (keys []PastKey, more bool, err error) {
	return p.keys(ctx, limit, func(t *pastStatements) (string, [][]byte) {
		if !t.workspace.takes(workspace) {
			return "", nil
		}
		return t.allMessages, [][]byte{[]byte(workspace), []byte(timeText(since)), []byte(timeText(until)), limitText(limit + 1)}
	})
}

// Newest returns the keys of the newest messages of conversations, each of each at
// most.
func (p *Past) Newest(ctx context.Context, workspace string, conversations []string, each, limit int) (keys []PastKey, err error) {
	var ids []string
	keys, _, err = p.keys(ctx, limit, func(t *pastStatements) (string, [][]byte) {
		ids = nil
		for _, c := range conversations {
			if t.conversation.takes(c) {
				ids = append(ids, c)
			}
		}
		if len(ids) == 0 || !t.workspace.takes(workspace) {
			return "", nil
		}
		return t.newest, [][]byte{arrayText(ids), []byte(workspace), limitText(each), limitText(limit + 1)}
	})
	return attributed(keys, ids), err
}

// Conversations returns the keys of the workspace's conversations that changed since
// a time, or have messages since then; the latest change first.
func (p *Past) Conversations(ctx context.Context, workspace string, since time.Time, limit int) (keys []PastKey, more bool, err error) {
	return p.keys(ctx, limit, func(t *pastStatements) (string, [][]byte) {
		if !t.workspace.takes(workspace) {
			return "", nil
		}
		return t.conversations, [][]byte{[]byte(workspace), []byte(timeText(since)), limitText(limit + 1)}
	})
}

// Again is how much earlier than asked for Page reads while what it reads is not older
// than Young: a row's time is that of its transaction's begin, so one with an earlier
// time may be committed after a later one was read.
const (
	Again = 5 * time.Second
	Young = time.Minute
)

// Page returns the keys of a conversation's messages that were made after a time, zero
// for all; the oldest first. They are limit, and those that were made in the same
// millisecond as the last of them: who goes on from its time, as it is printed, leaves
// nothing out. more tells that of such a millisecond some are beyond most. Before them
// come messages that may be known: those of since's own millisecond, and those of Again
// before it as long as they are Young.
func (p *Past) Page(ctx context.Context, workspace, conversation string, since time.Time, limit, most int) (keys []PastKey, more bool, err error) {
	// A time in whole milliseconds may have been cut to them: all of that millisecond may
	// be known.
	next, known := since.Add(time.Millisecond), []byte(timeText(since))
	switch {
	case since.IsZero():
		next, known = since, nil
	case !since.Equal(since.Truncate(time.Millisecond)):
		next = since.Truncate(time.Microsecond).Add(time.Microsecond)
	}
	keys, _, err = p.keys(ctx, 2*most+1, func(t *pastStatements) (string, [][]byte) {
		if !t.conversation.takes(conversation) || !t.workspace.takes(workspace) {
			return "", nil
		}
		return t.page, [][]byte{[]byte(conversation), []byte(workspace), known, []byte(timeText(next)), limitText(limit), limitText(most)}
	})
	i := slices.IndexFunc(keys, func(k PastKey) bool { return !k.At.Before(next.Truncate(time.Millisecond)) })
	if more = i >= 0 && len(keys)-i > most; more {
		keys = keys[:i+most]
	}
	return keys, more, err
}

// List returns the keys of the workspace's conversations, the latest change first: limit
// at most, and whether there are more.
func (p *Past) List(ctx context.Context, workspace string, limit int) (keys []PastKey, more bool, err error) {
	return p.keys(ctx, limit, func(t *pastStatements) (string, [][]byte) {
		if !t.workspace.takes(workspace) {
			return "", nil
		}
		return t.list, [][]byte{[]byte(workspace), limitText(limit + 1)}
	})
}

// MessageRows and ConversationRows call row for each of the rows that are there, in
// any order, with the values of the Spec's columns, valid until it returns.
func (p *Past) MessageRows(ctx context.Context, workspace string, keys []string, row func(source.Row)) error {
	return p.rows(ctx, workspace, keys, row, func(s *statements) query { return s.messages })
}

// ConversationRows is MessageRows of conversations.
func (p *Past) ConversationRows(ctx context.Context, workspace string, keys []string, row func(source.Row)) error {
	return p.rows(ctx, workspace, keys, row, func(s *statements) query { return s.conversations })
}

// Relations describe the rows of the tables of messages and conversations, as of the
// latest question.
func (p *Past) Relations() (messages, conversations *source.Relation) {
	var out [2]*source.Relation
	for i := range out {
		t := p.fetcher.spec.Tables()[i]
		out[i] = &source.Relation{Schema: t.Schema, Name: t.Name, Identity: source.IdentityDefault}
		for _, c := range t.Columns {
			out[i].Columns = append(out[i].Columns, source.Column{Name: c.Name, Type: p.fetcher.columns[i][c.Name]})
		}
	}
	return out[0], out[1]
}

// Keys returns the places of the keys in the rows of messages and conversations.
func (p *Past) Keys() (message, conversation int) {
	tables := p.fetcher.spec.Tables()
	return tables[plan.MessageTable].Key, tables[plan.ConversationTable].Key
}

func (p *Past) rows(ctx context.Context, workspace string, keys []string, row func(source.Row), of func(*statements) query) error {
	asking := make([]engine.RowKey, len(keys))
	for i, key := range keys {
		asking[i] = engine.RowKey{Workspace: workspace, Key: key}
	}
	var found answers
	err := p.fetcher.once(ctx, func(pg *pgconn.PgConn, raw bool) error {
		found = found[:0]
		q := of(&p.fetcher.texts)
		if q.text == "" || !q.workspaces {
			return p.again(errNoColumn)
		}
		return p.fetcher.send(ctx, pg, []asked{{q, asking}}, found.add, raw)
	})
	found.give(func(f engine.Found) { row(f.Row) })
	return err
}

// again makes the next question read the tables' columns anew, and returns err: a table may
// have been missing only for a moment.
func (p *Past) again(err error) error {
	p.fetcher.known = false
	return err
}

// keys asks for keys, and cuts them down to limit.
func (p *Past) keys(ctx context.Context, limit int, ask func(*pastStatements) (string, [][]byte)) (keys []PastKey, more bool, err error) {
	err = p.fetcher.once(ctx, func(pg *pgconn.PgConn, raw bool) error {
		if current := &p.fetcher.columns[0]; p.of != current {
			p.texts, p.of = newPastStatements(p.fetcher.spec, p.fetcher.columns), current
		}
		if err := CanReadPast(p.fetcher.spec); err != nil {
			return err
		}
		if p.texts.problem != nil {
			return p.again(p.texts.problem)
		}
		text, values := ask(&p.texts)
		if text == "" {
			return nil
		}
		keys = nil
		b := begin(ctx, pg, raw)
		b.ExecParams(text, values, nil, nil, nil)
		res := pg.ExecBatch(ctx, b)
		if res.NextResult() { // of the settings
			res.ResultReader().Close()
		}
		if res.NextResult() {
			for r := res.ResultReader(); r.NextRow(); {
				keys = append(keys, pastKey(r.Values()))
			}
		}
		return res.Close()
	})
	if err != nil {
		return nil, false, fmt.Errorf("read what was missed: %w", err)
	}
	if more = len(keys) > limit; more {
		keys = keys[:limit]
	}
	return keys, more, nil
}

func pastKey(v [][]byte) PastKey {
	k := PastKey{Key: string(v[0])}
	if ms, err := strconv.ParseInt(string(v[1]), 10, 64); err == nil {
		k.At = time.UnixMilli(ms).UTC()
	}
	k.Bytes, _ = strconv.Atoi(string(v[2]))
	if len(v) > 3 {
		k.asked, _ = strconv.Atoi(string(v[3]))
	}
	return k
}
