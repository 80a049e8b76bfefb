package lookup

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"chatbridge/mapping"
	"chatbridge/mapping/engine"
	"chatbridge/mapping/internal/plan"
)

const (
	// pageRows is how many keys are asked for at once. The server may return fewer.
	pageRows = 1000
	// scans is how many messages are read at most, for each conversation that is asked
	// for, to find the conversations with new messages.
	scans = 4
	// excluded is how many conversations, of which messages were seen, a page of others
	// leaves out at most: their keys are in the address. Keys longer than maxExcluded
	// are not left out.
	excluded    = 50
	maxExcluded = 60
)

// reading is one question's requests. Several goroutines may use it.
type reading struct {
	past *RESTPast
	page int // how many rows are asked for at once, 0 for pageRows

	mu sync.Mutex
	// largest is how many rows an answer had at most: the server gives as many at least.
	largest int
}

// last reports whether there are no more rows behind n that an answer had. Fewer than were
// asked for do not tell it: the server has a bound of its own.
func (q *reading) last(n int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	last := n == 0 || n < q.largest
	q.largest = max(q.largest, n)
	return last
}

// messages calls each for messages of the workspace, of conversations unless that is
// nil, the latest first, until it returns false.
func (q *reading) messages(ctx context.Context, workspace string, conversations []engine.RowKey, conditions []string, each func(restRow) bool) error {
	return q.walk(ctx, plan.MessageTable, workspace, func() url.Values {
		v := url.Values{}
		if conversations != nil {
			ids, _ := columnsOf(conversations, 1)
			t := q.past.tables()[plan.MessageTable]
			v.Set(name(t, q.past.rest.spec.Plan().Message.Conversation), oneOf(ids[0]))
		}
		return v
	}, func() []string { return q.past.wanted(conditions) }, each)
}

// walk calls each for rows of a table that have a time, the latest first, until it
// returns false.
func (q *reading) walk(ctx context.Context, table plan.TableID, workspace string, filters func() url.Values, conditions func() []string, each func(restRow) bool) error {
	p, t := q.past, q.past.tables()[table]
	made, of, key := p.made, p.rest.spec.Plan().Message.Conversation, quoteName(name(t, t.Key))
	if table == plan.ConversationTable {
		made, of = p.updated, -1
	}
	at := quoteName(name(t, made))
	var before *restRow
	for {
		v, c := filters(), slices.Clone(conditions())
		v.Set(name(t, t.Workspace), oneOf([]string{workspace}))
		c = append(c, at+isNull(false))
		if before != nil {
			c = append(c, fmt.Sprintf("or(%s.lt.%s,and(%s.eq.%s,%s.lt.%s))", at, quoteText(before.made), at, quoteText(before.made), key, quoteText(before.key)))
		}
		v.Set("and", "("+strings.Join(c, ",")+")")
		v.Set("order", at+".desc,"+key+".desc")
		v.Set("limit", strconv.Itoa(cmp.Or(q.page, pageRows)))
		v.Set("select", p.columns(t, made, of))
		var objects []map[string]json.RawMessage
		if err := p.rest.get(ctx, t, v, &objects); err != nil {
			return err
		}
		for _, o := range objects {
			r := readRow(o)
			if before = &r; !each(r) {
				return nil
			}
		}
		if q.last(len(objects)) {
			return nil
		}
	}
}

// changed are the workspace's conversations whose own time of change is later: one more
// than limit at most.
func (q *reading) changed(ctx context.Context, workspace string, since time.Time, limit int) (rows []restRow, err error) {
	p := q.past
	if p.updated < 0 {
		return nil, nil
	}
	later := []string{quoteName(name(p.tables()[plan.ConversationTable], p.updated)) + ".gt." + quoteTime(since)}
	err = q.walk(ctx, plan.ConversationTable, workspace, func() url.Values { return url.Values{} }, func() []string { return later }, func(r restRow) bool {
		rows = append(rows, r)
		return len(rows) <= limit
	})
	return rows, err
}

// touched are the conversations of the workspace's messages since a time, without those
// that are known; latest is when the latest of each was made, also of those that are
// known. cut tells that not all messages were read. Each page leaves out
// conversations of which enough is known.
func (q *reading) touched(ctx context.Context, workspace string, since time.Time, limit int, known map[string]bool) (keys []engine.RowKey, latest map[string]time.Time, cut bool, err error) {
	p := q.past
	t, later := p.tables()[plan.MessageTable], p.after(since, endOfTime)[:1]
	of := quoteName(name(t, p.rest.spec.Plan().Message.Conversation))
	var seen []string
	read, found := 0, len(known)
	latest = map[string]time.Time{}
	q = &reading{past: p} // those of another table
	err = q.walk(ctx, plan.MessageTable, workspace, func() url.Values { return url.Values{} }, func() []string {
		c := p.wanted(later)
		if len(seen) > 0 {
			c = append(c, of+".not."+oneOf(seen))
		}
		return c
	}, func(r restRow) bool {
		if read++; found > limit || read > scans*limit {
			cut = true
			return false
		}
		if _, counted := latest[r.of]; r.of != "" && !counted {
			if latest[r.of] = r.at; len(seen) < excluded && len(r.of) <= maxExcluded {
				seen = append(seen, r.of)
			}
			if !known[r.of] {
				found, keys = found+1, append(keys, engine.RowKey{Workspace: workspace, Key: r.of})
			}
		}
		return true
	})
	return keys, latest, cut, err
}

// byKey calls each, which returns the row's key, for the rows of a chunk of keys: again
// for those that an answer lacks, which the server may have cut short.
func (q *reading) byKey(ctx context.Context, t mapping.Table, keys []engine.RowKey, columns string, most int64, each func(map[string]json.RawMessage) string) error {
	for len(keys) > 0 {
		v := in(t, t.Key, keys)
		v.Set("select", columns)
		var objects []map[string]json.RawMessage
		size, err := q.past.rest.read(ctx, question{what: t.Role, schema: t.Schema, path: url.PathEscape(t.Name) + "?" + v.Encode(), most: most}, &objects)
		if err != nil {
			return err
		}
		found := map[string]bool{}
		for _, o := range objects {
			found[each(o)] = true
		}
		most -= size
		if q.last(len(objects)) {
			return nil
		}
		keys = slices.DeleteFunc(slices.Clone(keys), func(k engine.RowKey) bool { return found[k.Key] })
	}
	return nil
}
