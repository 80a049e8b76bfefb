package lookup

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"chatbridge/mapping"
	"chatbridge/source"

	"golang.org/x/sync/errgroup"
)

// conversationsPlain asks for conversations, and then for what hangs on them:
// two round trips, for tables without foreign keys.
func (p *restFetcher) conversationsPlain(ctx context.Context, c *collector, need *mapping.Need) error {
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
				v.Set("limit", fmt.Sprint(mapping.RelatedLimit*len(keys)))
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
		newest = append(newest, string(f.Row[conversation.Key].Data))
	}
	return p.hanging(ctx, c, rows, newest)
}

// hanging asks for the references of the conversations in rows, and for the
// newest message of others.
func (p *restFetcher) hanging(ctx context.Context, c *collector, rows []mapping.Found, newest []string) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, t := range p.spec.Tables() {
		if t.By != "conversation" {
			continue
		}
		var keys []string
		for _, f := range rows {
			if v := f.Row[t.ByColumn]; v.Kind == source.Text && !slices.Contains(keys, string(v.Data)) {
				keys = append(keys, string(v.Data))
			}
		}
		for _, some := range chunks(keys) {
			g.Go(func() error { return p.rows(ctx, c, t, in(t, t.Key, some), false) })
		}
	}
	if m := p.table("message"); m.Newest >= 0 {
		slices.Sort(newest)
		for _, key := range slices.Compact(newest) {
			g.Go(func() error {
				v := in(m, m.Conversation, []string{key})
				by := name(m, m.Newest)
				v.Set("order", by+".desc,"+name(m, m.Key)+".desc")
				v.Set(by, "not.is.null")
				v.Set("limit", "1")
				return p.rows(ctx, c, m, v, true)
			})
		}
	}
	return g.Wait()
}

// chunks cuts keys into lists that fit into an address: proxies take 8 KiB.
func chunks(keys []string) [][]string {
	const most, bytes = 100, 4000
	var out [][]string
	size := 0
	for _, k := range keys {
		if n := len(out) - 1; n < 0 || len(out[n]) == most || size+3*len(k) > bytes {
			out, size = append(out, nil), 0
		}
		n := len(out) - 1
		out[n], size = append(out[n], k), size+len(k)+8
	}
	return out
}

// in is the filter `column is one of keys`.
func in(t mapping.Table, slot int, keys []string) url.Values {
	quoted := make([]string, len(keys))
	for i, k := range keys {
		quoted[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(k) + `"`
	}
	return url.Values{name(t, slot): {"in.(" + strings.Join(quoted, ",") + ")"}}
}

func name(t mapping.Table, slot int) string { return t.Columns[slot].Name }

// selection asks for the mapping's columns as text, as the stream has them.
func (p *restFetcher) selection(t mapping.Table) string {
	var out []string
	for _, c := range t.Columns {
		if !p.missing[columnID{t.Role, c.Name}] {
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
		case len(raw) == 0 || string(raw) == "null":
		case raw[0] == '"' && json.Unmarshal(raw, &s) == nil:
			out[i] = source.Value{Kind: source.Text, Data: []byte(*s)}
		default: // a value that was not turned into text
			out[i] = source.Value{Kind: source.Text, Data: raw}
		}
	}
	return out
}
