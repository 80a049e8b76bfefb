package lookup

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"chatbridge/mapping"
	"chatbridge/mapping/engine"
	"chatbridge/mapping/internal/plan"
	"chatbridge/source"

	"golang.org/x/sync/errgroup"
)

const (
	// answerBytes bounds the rows that are read at once.
	answerBytes = 8 << 20
	// apart is of how many conversations the newest messages are asked for one by one.
	apart = 50
)

// ErrTooLarge is returned for rows that are larger together than what is read at once.
// Fewer of them may do; of one it tells that it cannot be read.
var ErrTooLarge = errors.New("the rows are too large to be read at once over PostgREST")

// RESTPast is Past over a Supabase project's REST interface, for where there is no
// direct connection. It asks each question in as many requests as it takes, a page after
// the other until one is empty or smaller than another was: how many rows the server
// gives at most is its own matter. As with Past, the workspace is part of each request.
//
// In three things it differs. Messages of all conversations are those whose own
// workspace it is, whether or not that has their conversation too. Of the conversations
// that have new messages it reads a bounded number of messages, and tells of
// more. A row's size is not known beforehand: see ErrTooLarge.
//
// One goroutine uses a RESTPast at a time; its context bounds each question.
type RESTPast struct {
	rest *restFetcher
	shape
	known bool
}

// NewRESTPast returns a RESTPast; the parameters are those of NewPostgREST.
func NewRESTPast(address string, key func() string, client *http.Client, spec *mapping.Spec) (*RESTPast, error) {
	f, err := newRESTFetcher(address, key, client, spec)
	if err != nil {
		return nil, err
	}
	return &RESTPast{rest: f}, nil
}

// Check asks the project whether the tables have what rows are read by. ErrNoTime,
// ErrDerived and ErrNotOverPostgREST tell that they do not.
func (p *RESTPast) Check(ctx context.Context) error {
	return p.once(ctx, func(context.Context) error { return nil })
}

// Messages is as that of Past.
func (p *RESTPast) Messages(ctx context.Context, workspace string, of []Since, until time.Time, limit int) (keys []PastKey, more bool, err error) {
	err = p.once(ctx, func(ctx context.Context) error {
		var ids []engine.RowKey
		since := map[string]time.Time{}
		for _, s := range of {
			if p.conversation.takes(s.Conversation) {
				ids = append(ids, engine.RowKey{Workspace: workspace, Key: s.Conversation})
				since[s.Conversation] = s.At.Truncate(time.Microsecond)
			}
		}
		if !p.workspace.takes(workspace) {
			return nil
		}
		// One request is for those that are asked for since about the same time.
		slices.SortStableFunc(ids, func(a, b engine.RowKey) int { return since[a.Key].Compare(since[b.Key]) })
		q := reading{past: p}
		var mu sync.Mutex
		var all []restRow
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(atOnce)
		for _, chunk := range chunks(ids) {
			g.Go(func() error {
				n := 0
				return q.messages(ctx, workspace, chunk, p.after(since[chunk[0].Key], until), func(r restRow) bool {
					if r.of = askedAs(r.of, chunk); r.of == "" || !r.at.After(since[r.of]) {
						return true
					}
					mu.Lock()
					defer mu.Unlock()
					n, all = n+1, append(all, r)
					return n <= limit
				})
			})
		}
		err := g.Wait()
		slices.SortFunc(all, latest)
		keys, more = pastKeys(all, limit)
		return err
	})
	return keys, more, err
}

// AllMessages is Messages of all conversations of the workspace.
func (p *RESTPast) AllMessages(ctx context.Context, workspace string, since, until time.Time, limit int) (keys []PastKey, more bool, err error) {
	err = p.once(ctx, func(ctx context.Context) error {
		if !p.workspace.takes(workspace) {
			return nil
		}
		var all []restRow
		q := reading{past: p}
		err := q.messages(ctx, workspace, nil, p.after(since, until), func(r restRow) bool {
			all = append(all, r)
			return len(all) <= limit
		})
		keys, more = pastKeys(all, limit)
		return err
	})
	return keys, more, err
}

// Newest is as that of Past: one request for each conversation, several at a time, so
// that each is a step into an index. Of more than apart conversations it takes the newest
// messages of many at once.
func (p *RESTPast) Newest(ctx context.Context, workspace string, conversations []string, each, limit int) (keys []PastKey, err error) {
	err = p.once(ctx, func(ctx context.Context) error {
		var ids []engine.RowKey
		for _, c := range conversations {
			if p.conversation.takes(c) {
				ids = append(ids, engine.RowKey{Workspace: workspace, Key: c})
			}
		}
		if !p.workspace.takes(workspace) {
			return nil
		}
		q, groups := reading{past: p, page: each}, slices.Collect(slices.Chunk(ids, 1))
		if len(ids) > apart {
			q.page, groups = 0, chunks(ids)
		}
		var mu sync.Mutex
		var all []restRow
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(atOnce)
		for _, group := range groups {
			g.Go(func() error {
				n, seen, of := 0, 0, map[string]int{}
				return q.messages(ctx, workspace, group, nil, func(r restRow) bool {
					if r.of = askedAs(r.of, group); r.of == "" {
						return true
					}
					if seen, of[r.of] = seen+1, of[r.of]+1; of[r.of] <= each {
						mu.Lock()
						defer mu.Unlock()
						n, all = n+1, append(all, r)
					}
					return n < min(limit, each*len(group)) && seen < 2*limit
				})
			})
		}
		err := g.Wait()
		slices.SortFunc(all, latest)
		keys, _ = pastKeys(all, limit)
		return err
	})
	return keys, err
}

// Conversations is as that of Past. more also tells that there were more messages since
// then than are read for their conversations.
func (p *RESTPast) Conversations(ctx context.Context, workspace string, since time.Time, limit int) (keys []PastKey, more bool, err error) {
	err = p.once(ctx, func(ctx context.Context) error {
		if !p.workspace.takes(workspace) {
			return nil
		}
		q := reading{past: p}
		all, err := q.changed(ctx, workspace, since, limit)
		if err != nil {
			return err
		}
		known := map[string]bool{}
		for i := range all {
			known[all[i].key] = true
		}
		touched, messages, cut, err := q.touched(ctx, workspace, since, limit, known)
		if err != nil {
			return err
		}
		q = reading{past: p} // those of another table
		for _, chunk := range chunks(touched) {
			t := p.tables()[plan.ConversationTable]
			err := q.byKey(ctx, t, chunk, p.columns(t, p.updated, -1), answerBytes, func(o map[string]json.RawMessage) string {
				r := readRow(o)
				all = append(all, r)
				return r.key
			})
			if err != nil {
				return err
			}
		}
		for i := range all {
			if made := messages[all[i].key]; made.After(all[i].at) {
				all[i].at = made
			}
		}
		slices.SortFunc(all, func(a, b restRow) int { return cmp.Or(b.at.Compare(a.at), strings.Compare(a.key, b.key)) })
		keys, more = pastKeys(all, limit)
		more = more || cut
		return nil
	})
	return keys, more, err
}

// MessageRows is as that of Past; keys that are no longer there are left out. The error
// is ErrTooLarge where the rows are too large together.
func (p *RESTPast) MessageRows(ctx context.Context, workspace string, keys []string, row func(source.Row)) error {
	return p.rows(ctx, workspace, plan.MessageTable, keys, row)
}

// ConversationRows is MessageRows of conversations.
func (p *RESTPast) ConversationRows(ctx context.Context, workspace string, keys []string, row func(source.Row)) error {
	return p.rows(ctx, workspace, plan.ConversationTable, keys, row)
}

func (p *RESTPast) rows(ctx context.Context, workspace string, table plan.TableID, keys []string, found func(source.Row)) error {
	return p.once(ctx, func(ctx context.Context) error {
		asking := make([]engine.RowKey, len(keys))
		for i, key := range keys {
			asking[i] = engine.RowKey{Workspace: workspace, Key: key}
		}
		t, left := p.tables()[table], int64(answerBytes)
		q := reading{past: p}
		var rows []source.Row
		for _, chunk := range chunks(asking) {
			size := int64(0)
			err := q.byKey(ctx, t, chunk, p.rest.selection(t), left, func(o map[string]json.RawMessage) string {
				for _, v := range o {
					size += int64(len(v))
				}
				rows = append(rows, row(t, o))
				return string(rows[len(rows)-1][t.Key].Data)
			})
			if errors.Is(err, errTooLarge) {
				return ErrTooLarge
			}
			if err != nil {
				return err
			}
			left -= size
		}
		for _, r := range rows {
			found(r)
		}
		return nil
	})
}

// Hidden is as that of Past: a project's service key sees all rows.
func (p *RESTPast) Hidden(context.Context) (what, remedy string, err error) { return "", "", nil }

// Relations is as that of Past.
func (p *RESTPast) Relations() (messages, conversations *source.Relation) {
	var out [2]*source.Relation
	for i := range out {
		t := p.tables()[i]
		out[i] = &source.Relation{Schema: t.Schema, Name: t.Name, Identity: source.IdentityDefault}
		for _, c := range t.Columns {
			out[i].Columns = append(out[i].Columns, source.Column{Name: c.Name, Type: p.types[i][c.Name]})
		}
	}
	return out[0], out[1]
}

// Keys returns the places of the keys in the rows of messages and conversations.
func (p *RESTPast) Keys() (message, conversation int) {
	return p.tables()[plan.MessageTable].Key, p.tables()[plan.ConversationTable].Key
}

func (p *RESTPast) tables() []mapping.Table { return p.rest.spec.Tables() }

// once asks, and asks again where the tables have changed.
func (p *RESTPast) once(ctx context.Context, ask func(context.Context) error) error {
	if err := CanReadPast(p.rest.spec); err != nil {
		return err
	}
	fresh := !p.known
	if fresh {
		if err := p.learn(ctx); err != nil {
			return err
		}
	}
	err := ask(ctx)
	var status *statusError
	if errors.As(err, &status) && status.shapeChanged() {
		if p.known = false; !fresh {
			if err = p.learn(ctx); err == nil {
				err = ask(ctx)
			}
		}
	}
	if err != nil && !errors.Is(err, ErrTooLarge) {
		return fmt.Errorf("read what was missed: %w", err)
	}
	return err
}

// after are the conditions that a message was made in (since, until].
func (p *RESTPast) after(since, until time.Time) []string {
	made := quoteName(name(p.tables()[plan.MessageTable], p.made))
	return []string{made + ".gt." + quoteTime(since), made + ".lte." + quoteTime(until)}
}

// quoteTime prints a time, which a column without a zone takes for one of UTC.
func quoteTime(t time.Time) string { return quoteText(timeText(t)) }
