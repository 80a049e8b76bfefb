package lookup

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"chatbridge/mapping"
	"chatbridge/mapping/engine"
	"chatbridge/source"

	"golang.org/x/sync/errgroup"
)

// conversationsPlain asks for conversations, and then for what hangs on them:
// two round trips, for tables without foreign keys.
func (p *restFetcher) conversationsPlain(ctx context.Context, c *collector, need *engine.Need) error {
	conversation := p.table("conversation")
	var own collector
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, keys := range chunks(need.Conversations) {
		g.Go(func() error { return p.rows(gctx, &own, conversation, in(conversation, conversation.Key, keys), false) })
	}
	var related collector
	for _, r := range need.Related {
		for _, keys := range chunks(r.Keys) {
			g.Go(func() error {
				v := in(conversation, p.table(r.Table).ByColumn, keys)
				v.Set("order", name(conversation, conversation.Key)+".asc")
				v.Set("limit", fmt.Sprint(engine.RelatedLimit*len(keys)))
				return p.rows(gctx, &related, conversation, v, false)
			})
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	rows := slices.Concat(own.rows, related.rows)
	c.add(rows...)
	newest := slices.Clone(need.Newest)
	for _, f := range related.rows {
		newest = append(newest, rowKey(conversation, f.Row))
	}
	return p.hanging(ctx, c, rows, newest)
}

// hanging asks for the references of the conversations in rows, and for the
// newest message of others.
func (p *restFetcher) hanging(ctx context.Context, c *collector, rows []engine.Found, newest []engine.RowKey) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, t := range p.spec.Tables() {
		if t.By != "conversation" || !p.hasWorkspace(t) {
			continue
		}
		seen := map[engine.RowKey]bool{}
		var keys []engine.RowKey
		for _, f := range rows {
			v := f.Row[t.ByColumn]
			key := engine.RowKey{Key: string(v.Data)}
			if t.Workspace >= 0 {
				key.Workspace = rowKey(p.table("conversation"), f.Row).Workspace
			}
			if v.Kind == source.Text && !seen[key] {
				seen[key], keys = true, append(keys, key)
			}
		}
		for _, some := range chunks(keys) {
			g.Go(func() error { return p.rows(ctx, c, t, in(t, t.Key, some), false) })
		}
	}
	if m := p.table("message"); m.Newest >= 0 {
		seen := map[engine.RowKey]bool{}
		for _, key := range newest {
			if seen[key] {
				continue
			}
			seen[key] = true
			g.Go(func() error {
				v := in(m, m.Conversation, []engine.RowKey{key})
				by := name(m, m.Newest)
				v.Set("order", by+".desc,"+keyOrder(m, ".desc"))
				v.Set(by, "not.is.null")
				v.Set("limit", "1")
				p.onlyWanted(v, "")
				return p.rows(ctx, c, m, v, true)
			})
		}
	}
	return g.Wait()
}

// chunks cuts keys into lists that fit into an address: proxies take 8 KiB.
func chunks(keys []engine.RowKey) [][]engine.RowKey {
	const most, bytes = 100, 4000
	var out [][]engine.RowKey
	size, workspaces := 0, map[string]bool{}
	for _, k := range keys {
		key, workspace := addressBytes(k.Key), addressBytes(k.Workspace)
		long := key
		if !workspaces[k.Workspace] {
			long += workspace
		}
		if n := len(out) - 1; n < 0 || len(out[n]) == most || size+long > bytes {
			out, size = append(out, nil), 0
			clear(workspaces)
			long = key + workspace
		}
		workspaces[k.Workspace] = true
		n := len(out) - 1
		out[n], size = append(out[n], k), size+long
	}
	return out
}

// addressBytes is how long a value of a list is in an address, with its comma.
func addressBytes(s string) int { return len(url.QueryEscape(quoteText(s) + ",")) }

// byWorkspace cuts keys into chunks of one workspace each.
func byWorkspace(keys []engine.RowKey) [][]engine.RowKey {
	keys = slices.Clone(keys)
	slices.SortStableFunc(keys, func(a, b engine.RowKey) int { return strings.Compare(a.Workspace, b.Workspace) })
	var out [][]engine.RowKey
	for len(keys) > 0 {
		n := 1
		for n < len(keys) && keys[n].Workspace == keys[0].Workspace {
			n++
		}
		out, keys = append(out, chunks(keys[:n])...), keys[n:]
	}
	return out
}

// in is the filter `column is one of the keys`, and the workspace one of
// theirs where the table has it. Rows whose key and workspace are those of two
// different rows that were asked for are found too, and left by the Mapper.
func in(t mapping.Table, slot int, rows []engine.RowKey) url.Values {
	parts := t.Columns[slot].Parts
	keys, workspaces := columnsOf(rows, len(parts))
	v := url.Values{}
	for i, part := range partsOf(t, slot) {
		v.Set(name(t, part), oneOf(keys[i]))
	}
	if t.Workspace >= 0 && workspaces[len(workspaces)-1] != "" {
		v.Set(name(t, t.Workspace), oneOf(workspaces))
	}
	return v
}

func oneOf(values []string) string {
	quoted := make([]string, len(values))
	for i, k := range values {
		quoted[i] = quoteText(k)
	}
	return "in.(" + strings.Join(quoted, ",") + ")"
}

// quoteText quotes a value inside a list or a condition.
func quoteText(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// hasWorkspace is false for a table whose column of the workspace, which the
// mapping names, does not exist: no row of it can be told to be anybody's.
func (p *restFetcher) hasWorkspace(t mapping.Table) bool {
	return t.Workspace < 0 || !p.missing[columnID{t.Role, name(t, t.Workspace)}]
}

// name is a column's, or that of the text at a place inside it.
func name(t mapping.Table, slot int) string {
	return place(t.Columns[slot].Name, t.Columns[slot].Path)
}

// partsOf are the columns that a key is made of.
func partsOf(t mapping.Table, slot int) []int {
	if parts := t.Columns[slot].Parts; parts != nil {
		return parts
	}
	return []int{slot}
}

// keyOrder orders by a table's key.
func keyOrder(t mapping.Table, direction string) string {
	var out []string
	for _, part := range partsOf(t, t.Key) {
		out = append(out, name(t, part)+direction)
	}
	return strings.Join(out, ",")
}

// selection asks for the mapping's columns as text, as the stream has them.
func (p *restFetcher) selection(t mapping.Table) string {
	var out []string
	for _, c := range t.Columns {
		if !p.missing[columnID{t.Role, c.Name}] && !c.Derived() {
			out = append(out, quoteName(c.Name)+"::text")
		}
	}
	return strings.Join(out, ",")
}

// quoteName quotes a name that PostgREST's grammar would misread.
func quoteName(s string) string {
	for _, c := range []byte(s) {
		if c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
		}
	}
	return s
}

// row turns an object of texts into values in the order of the columns.
func row(t mapping.Table, o map[string]json.RawMessage) source.Row {
	out := make(source.Row, len(t.Columns))
	for i, c := range t.Columns {
		raw := o[c.Name]
		out[i] = source.Value{Kind: source.Null}
		var s *string
		switch {
		case c.Derived():
		case len(raw) == 0 || string(raw) == "null":
		case raw[0] == '"' && json.Unmarshal(raw, &s) == nil:
			out[i] = source.Value{Kind: source.Text, Data: []byte(*s)}
		default: // a value that was not turned into text
			out[i] = source.Value{Kind: source.Text, Data: raw}
		}
	}
	t.Derive(out, nil)
	return out
}
