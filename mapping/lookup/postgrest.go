package lookup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"chatbridge/internal/httpclient"
	"chatbridge/mapping"
	"chatbridge/mapping/engine"

	"golang.org/x/sync/errgroup"
)

// restFetcher asks a Supabase project's REST interface.
type restFetcher struct {
	base   string
	key    func() string
	client *http.Client
	spec   *mapping.Spec
	// plain is set once PostgREST said that it knows no foreign key between
	// the tables: rows that hang on others are then asked for one after the
	// other.
	plain bool
	// missing has the columns that PostgREST said do not exist; they are read
	// as null until the process starts again.
	missing map[columnID]bool
}

type columnID struct{ role, column string }

// NewPostgREST returns a Lookup that asks a Supabase project's REST interface.
// address is the project's, such as https://ref.supabase.co, to which /rest/v1
// is added, or the interface's own. key returns the service key, which sees rows
// whatever row-level security says, and is called for each request. client may
// be nil; redirects are not followed whatever it does. limit is the longest that one
// question may take, 0 for DefaultLimit.
func NewPostgREST(address string, key func() string, client *http.Client, spec *mapping.Spec, limit time.Duration) (*Lookup, error) {
	f, err := newRESTFetcher(address, key, client, spec)
	if err != nil {
		return nil, err
	}
	return newLookup(f, spec, limit), nil
}

func newRESTFetcher(address string, key func() string, client *http.Client, spec *mapping.Spec) (*restFetcher, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("address for lookups: want something like https://ref.supabase.co")
	}
	if u.Path = strings.TrimRight(u.Path, "/"); u.Path == "" {
		u.Path = "/rest/v1"
	}
	u.RawQuery, u.Fragment = "", ""
	f := &restFetcher{base: u.String(), key: key, client: httpclient.Of(client), spec: spec}
	// A place inside a column is no foreign key.
	m := f.table("message")
	f.plain = m.Columns[m.Conversation].Derived()
	return f, nil
}

// fetch sends all its requests at once. found is called after all answers
// have come, or as many as there were before the first failure.
func (p *restFetcher) fetch(ctx context.Context, need *engine.Need, found func(engine.Found)) error {
	rows, err := p.ask(ctx, need)
	for p.learn(err) {
		rows, err = p.ask(ctx, need)
	}
	for _, f := range rows {
		found(f)
	}
	return err
}

// learn notes what an error of PostgREST says about the tables; false when it was known
// already.
func (p *restFetcher) learn(err error) bool {
	var status *statusError
	if !errors.As(err, &status) {
		return false
	}
	switch status.code {
	case noRelationship:
		was := p.plain
		p.plain = true
		return !was
	case undefinedColumn:
		return p.learnMissing(status.message)
	}
	return false
}

// learnMissing reads `column contacts_1.avatar_url does not exist`, where
// PostgREST has numbered the tables that it embeds, or `column "avatar_url" does
// not exist`.
func (p *restFetcher) learnMissing(message string) bool {
	name, ok := strings.CutPrefix(message, "column ")
	if name, _, _ = strings.Cut(name, " does not exist"); !ok {
		return false
	}
	table, column, qualified := strings.Cut(strings.ReplaceAll(name, `"`, ""), ".")
	if !qualified { // then it may be any table's that can do without it
		table, column = "", table
	}
	learned := false
	for _, t := range p.spec.Tables() {
		if rest, found := strings.CutPrefix(table, t.Name); qualified && (!found || strings.Trim(rest, "_0123456789") != "") {
			continue
		}
		id := columnID{t.Role, column}
		if !slices.ContainsFunc(t.Columns, func(c mapping.Column) bool { return c.Name == column && (qualified || c.Optional) }) || p.missing[id] {
			continue
		}
		if p.missing == nil {
			p.missing = map[columnID]bool{}
		}
		p.missing[id], learned = true, true
	}
	return learned
}

// collector gathers what concurrent requests found.
type collector struct {
	mu   sync.Mutex
	rows []engine.Found
}

func (c *collector) add(f ...engine.Found) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rows = append(c.rows, f...)
}

// atOnce bounds the requests that are under way together.
const atOnce = 8

func (p *restFetcher) ask(ctx context.Context, need *engine.Need) ([]engine.Found, error) {
	var c collector
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	message, conversation := p.table("message"), p.table("conversation")
	if p.plain {
		g.Go(func() error { return p.conversationsPlain(ctx, &c, need) })
	} else {
		hanging := p.embeds(true)
		for _, keys := range chunks(need.Conversations) {
			g.Go(func() error { return p.embedded(ctx, &c, in(conversation, conversation.Key, keys), p.embeds(false)) })
		}
		for _, keys := range byWorkspace(need.Newest) {
			if message.Newest < 0 {
				break // nobody asks then
			}
			g.Go(func() error {
				return p.embedded(ctx, &c, in(conversation, conversation.Key, keys), hanging[len(hanging)-1:])
			})
		}
		for _, r := range need.Related {
			if p.table(r.Table).Workspace < 0 { // its conversations are of any workspace
				g.Go(func() error {
					return p.conversationsPlain(ctx, &c, &engine.Need{Related: []engine.ReferenceNeed{r}})
				})
				continue
			}
			for _, keys := range byWorkspace(r.Keys) {
				g.Go(func() error {
					v := in(conversation, p.table(r.Table).ByColumn, keys)
					v.Set("order", name(conversation, conversation.Key)+".asc")
					v.Set("limit", fmt.Sprint(engine.RelatedLimit*len(keys)))
					return p.embedded(ctx, &c, v, hanging)
				})
			}
		}
	}
	for _, r := range need.References {
		t := p.table(r.Table)
		if !p.hasWorkspace(t) {
			continue
		}
		for _, keys := range chunks(r.Keys) {
			g.Go(func() error { return p.rows(ctx, &c, t, in(t, t.Key, keys), false) })
		}
	}
	for _, r := range need.Many {
		t := p.table(r.Table)
		for _, keys := range chunks(r.Keys) {
			g.Go(func() error {
				v := in(t, t.Many, keys)
				v.Set("order", keyOrder(t, ".asc"))
				v.Set("limit", fmt.Sprint(engine.ManyLimit*len(keys)))
				return p.rows(ctx, &c, t, v, false)
			})
		}
	}
	for _, keys := range chunks(need.Messages) {
		g.Go(func() error { return p.rows(ctx, &c, message, in(message, message.Key, keys), false) })
	}
	err := g.Wait()
	return c.rows, err
}

func (p *restFetcher) table(role string) mapping.Table {
	t, _ := p.spec.Table(role)
	return t
}

// embed is a table whose rows come inside those of conversations.
type embed struct {
	table  mapping.Table
	alias  string
	hint   string // the column of the foreign key
	newest bool
}

// embeds lists the references of conversations, and their newest messages
// where asked for and used.
func (p *restFetcher) embeds(newest bool) []embed {
	var out []embed
	for i, t := range p.spec.Tables() {
		if t.By == "conversation" && p.hasWorkspace(t) {
			out = append(out, embed{table: t, alias: fmt.Sprintf("r%d", i), hint: name(p.table("conversation"), t.ByColumn)})
		}
	}
	if m := p.table("message"); newest && m.Newest >= 0 {
		out = append(out, embed{table: m, alias: "newest", hint: name(m, m.Conversation), newest: true})
	}
	return out
}

// embedded asks for conversations with the rows that hang on them inside, as far as
// they are of the workspaces that v is for. With the newest message that is one:
// what is embedded is filtered by values, not by a column of the row around it.
func (p *restFetcher) embedded(ctx context.Context, c *collector, v url.Values, embeds []embed) error {
	conversation := p.table("conversation")
	list := p.selection(conversation)
	workspaces := v.Get(name(conversation, conversation.Workspace))
	for _, e := range embeds {
		if e.table.Workspace >= 0 {
			v.Set(e.alias+"."+name(e.table, e.table.Workspace), workspaces)
		}
		list += "," + e.alias + ":" + quoteName(e.table.Name) + "!" + quoteName(e.hint) + "(" + p.selection(e.table) + ")"
		if e.newest {
			by := name(e.table, e.table.Newest)
			v.Set(e.alias+".order", by+".desc,"+keyOrder(e.table, ".desc"))
			v.Set(e.alias+"."+by, "not.is.null")
			v.Set(e.alias+".limit", "1")
			p.onlyWanted(v, e.alias+".")
		}
	}
	v.Set("select", list)
	var objects []map[string]json.RawMessage
	if err := p.get(ctx, conversation, v, &objects); err != nil {
		return err
	}
	for _, o := range objects {
		c.add(engine.Found{Table: conversation.Role, Row: row(conversation, o)})
		for _, e := range embeds {
			inner, err := inside(o[e.alias])
			if err != nil {
				return fmt.Errorf("look up %s: %w", e.table.Role, err)
			}
			for _, i := range inner {
				c.add(engine.Found{Table: e.table.Role, Newest: e.newest, Row: row(e.table, i)})
			}
		}
	}
	return nil
}

// inside reads an embedded value: an object, a list of them, or null.
func inside(raw json.RawMessage) ([]map[string]json.RawMessage, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	if raw[0] == '[' {
		var list []map[string]json.RawMessage
		err := json.Unmarshal(raw, &list)
		return list, err
	}
	var one map[string]json.RawMessage
	err := json.Unmarshal(raw, &one)
	return []map[string]json.RawMessage{one}, err
}

// rows asks for rows of one table.
func (p *restFetcher) rows(ctx context.Context, c *collector, t mapping.Table, v url.Values, newest bool) error {
	v.Set("select", p.selection(t))
	var objects []map[string]json.RawMessage
	if err := p.get(ctx, t, v, &objects); err != nil {
		return err
	}
	for _, o := range objects {
		c.add(engine.Found{Table: t.Role, Newest: newest, Row: row(t, o)})
	}
	return nil
}
