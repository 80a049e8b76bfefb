package lookup

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"chatbridge/mapping"
	"chatbridge/mapping/engine"
	"chatbridge/mapping/internal/plan"

	"github.com/jackc/pgx/v5"
)

// query is one statement and what its rows are.
type query struct {
	text   string
	role   string
	newest bool
	what   string // for errors
	// parts is of how many values a key is made; each has a parameter. workspaces
	// tells that the keys' workspaces are the last one.
	parts      int
	workspaces bool
}

// statements are the texts of all questions. Each has an array of keys as its
// parameter, and an array of their workspaces where the table has them: both
// are compared with the columns themselves, so that an index is used whatever
// their types. A row whose key and workspace are those of two different rows
// that were asked for is found too, and left by the Mapper. A question about a
// table that is not there, or lacks a column that it needs, is left empty and
// not asked.
type statements struct {
	conversations, newest, messages query
	referencesOf                    []query            // of conversations
	references, many                map[string]query   // by key, and by the message's
	related                         map[string][]query // by the changed reference
}

// all returns every question that can be asked.
func (s *statements) all() []query {
	out := append([]query{s.conversations, s.newest, s.messages}, s.referencesOf...)
	for _, role := range slices.Sorted(maps.Keys(s.many)) {
		out = append(out, s.many[role])
	}
	for _, role := range slices.Sorted(maps.Keys(s.references)) {
		out = append(append(out, s.references[role]), s.related[role]...)
	}
	return slices.DeleteFunc(out, func(q query) bool { return q.text == "" })
}

// columnTypes are the types of a table's columns, by name.
type columnTypes map[string]string

// builder writes statements for the columns that there are.
type builder struct {
	tables  []mapping.Table
	columns []columnTypes
	// where is the condition of messages that make events, nil for all.
	where plan.Condition
}

// pick is a condition that picks rows; column is what is compared with their key,
// "" where the table lacks what the condition needs.
type pick struct {
	where, column string
	parts         int
	workspaces    bool
}

func newStatements(spec *mapping.Spec, columns []columnTypes) statements {
	b := builder{spec.Tables(), columns, spec.Plan().Message.Where}
	s := statements{references: map[string]query{}, many: map[string]query{}, related: map[string][]query{}}
	conversations := b.picks(1, "c", b.tables[1].Key)
	s.conversations = b.query(1, "conversations", b.picks(1, "a", b.tables[1].Key))
	s.newest = b.newest(conversations)
	s.messages = b.query(0, "messages", b.picks(0, "a", b.tables[0].Key))
	for i := 2; i < len(b.tables); i++ {
		t := b.tables[i]
		if t.Many >= 0 {
			s.many[t.Role] = b.many(i)
			continue
		}
		s.references[t.Role] = b.query(i, t.Role, b.picks(i, "a", t.Key))
		if t.By != b.tables[1].Role {
			continue
		}
		if q := b.hanging(i, conversations); q.text != "" {
			s.referencesOf = append(s.referencesOf, q)
		}
		s.related[t.Role] = b.relatedTo(i)
	}
	return s
}

// picks is the condition that the column in slot of table i, which is called
// alias, is one of the keys, and the row in one of the workspaces.
func (b builder) picks(i int, alias string, slot int) pick {
	var conditions []string
	for _, part := range b.parts(i, slot) {
		value := b.value(i, alias, part)
		if value == "" {
			return pick{}
		}
		conditions = append(conditions, fmt.Sprintf("%s = any($%d)", value, len(conditions)+1))
	}
	p := pick{column: b.value(i, alias, b.parts(i, slot)[0]), parts: len(conditions)}
	if w := b.tables[i].Workspace; w >= 0 {
		ws := b.value(i, alias, w)
		if ws == "" {
			return pick{}
		}
		p.workspaces = true
		conditions = append(conditions, fmt.Sprintf("%s = any($%d)", ws, len(conditions)+1))
	}
	p.where = strings.Join(conditions, " and ")
	return p
}

// hanging asks for the rows of reference i that the picked conversations point
// to.
func (b builder) hanging(i int, conversations pick) query {
	t := b.tables[i]
	if conversations.column == "" || b.quote(i, t.Key) == "" || b.value(1, "c", t.ByColumn) == "" {
		return query{}
	}
	on := b.equal(i, "a", t.Key, 1, "c", t.ByColumn)
	if t.Workspace >= 0 {
		if b.quote(i, t.Workspace) == "" || b.quote(1, b.tables[1].Workspace) == "" {
			return query{}
		}
		on += " and " + b.equal(i, "a", t.Workspace, 1, "c", b.tables[1].Workspace)
	}
	return b.query(i, t.Role, pick{
		column: "*", parts: conversations.parts, workspaces: conversations.workspaces,
		where: fmt.Sprintf("exists (select from %s c where %s and %s)", b.table(1), conversations.where, on),
	})
}

// relatedTo asks for the conversations that point to rows of reference i, with
// what their events show.
func (b builder) relatedTo(i int) []query {
	t, conversation := b.tables[i], b.tables[1]
	key, ws, by := b.quote(1, conversation.Key), b.quote(1, conversation.Workspace), b.value(1, "c", t.ByColumn)
	if key == "" || ws == "" || by == "" {
		return nil
	}
	where, partition, workspaces := by+" = any($1)", by, t.Workspace >= 0
	if workspaces {
		where, partition = where+" and c."+ws+" = any($2)", partition+", c."+ws
	}
	// The limit is for each key, whatever the others have.
	some := fmt.Sprintf(`select k.%[1]s, k.%[2]s from (select c.%[1]s, c.%[2]s, row_number() over (partition by %[3]s order by c.%[1]s, c.%[2]s) as n from %[4]s c where %[5]s) k where k.n <= %[6]d`,
		key, ws, partition, b.table(1), where, engine.RelatedLimit)
	of := func(alias string) pick {
		return pick{column: key, parts: 1, workspaces: workspaces, where: fmt.Sprintf("(%s.%s, %s.%s) in (%s)", alias, key, alias, ws, some)}
	}
	out := []query{b.query(1, "conversations of a reference", of("a"))}
	if q := b.newest(of("c")); q.text != "" {
		out = append(out, q)
	}
	for j := 2; j < len(b.tables); j++ {
		if b.tables[j].By != conversation.Role {
			continue
		}
		if q := b.hanging(j, of("c")); q.text != "" {
			out = append(out, q)
		}
	}
	return out
}

// many asks for the rows of reference i that point to messages.
func (b builder) many(i int) query {
	t := b.tables[i]
	p, key := b.picks(i, "m", t.Many), b.quote(i, t.Key)
	if p.column == "" || key == "" {
		return query{}
	}
	text := fmt.Sprintf(`select %s from (select %s, row_number() over (partition by %s, %s order by m.%s) as nth from %s m where %s) a where a.nth <= %d order by a.%[5]s`,
		b.list(i), b.existing(i, "m"), p.column, b.value(i, "m", t.Workspace), key, b.table(i), p.where, engine.ManyLimit)
	return query{text: text, role: t.Role, what: t.Role + " of messages", parts: p.parts, workspaces: p.workspaces}
}

// newest asks for the newest message of each conversation that is picked: one
// step into an index on (conversation, time) for each.
func (b builder) newest(conversations pick) query {
	m, conversation := b.tables[0], b.tables[1]
	if m.Newest < 0 || conversations.column == "" {
		return query{}
	}
	by := b.quote(0, m.Newest)
	var order []string
	for _, part := range b.parts(0, m.Key) {
		order = append(order, b.value(0, "m", part)+" desc")
	}
	if by == "" || b.picks(0, "m", m.Key).column == "" || b.value(0, "m", m.Conversation) == "" || b.quote(1, conversation.Workspace) == "" || b.quote(1, conversation.Key) == "" {
		return query{}
	}
	text := fmt.Sprintf(`select %s from %s c cross join lateral (select %s from %s m where %s and %s and m.%s is not null%s order by m.%s desc, %s limit 1) a where %s`,
		b.list(0), b.table(1), b.existing(0, "m"), b.table(0),
		b.equal(0, "m", m.Conversation, 1, "c", conversation.Key), b.equal(0, "m", m.Workspace, 1, "c", conversation.Workspace),
		by, b.wanted("m"), by, strings.Join(order, ", "), conversations.where)
	return query{text: text, role: m.Role, newest: true, what: "newest messages", parts: conversations.parts, workspaces: conversations.workspaces}
}

func (b builder) query(i int, what string, p pick) query {
	if p.column == "" {
		return query{}
	}
	return query{
		text: fmt.Sprintf("select %s from %s a where %s", b.list(i), b.table(i), p.where),
		role: b.tables[i].Role, what: what, parts: p.parts, workspaces: p.workspaces,
	}
}

// equal compares two columns, as text where their types differ.
func (b builder) equal(i int, alias string, slot, j int, other string, otherSlot int) string {
	cast := ""
	if b.kind(i, slot) != b.kind(j, otherSlot) {
		cast = "::text"
	}
	return b.value(i, alias, slot) + cast + " = " + b.value(j, other, otherSlot) + cast
}

// kind is a column's type.
func (b builder) kind(i, slot int) string {
	if b.tables[i].Columns[slot].Path != nil {
		return "text"
	}
	return b.columns[i][b.tables[i].Columns[slot].Name]
}

// parts are the columns that a key is made of.
func (b builder) parts(i, slot int) []int {
	if parts := b.tables[i].Columns[slot].Parts; parts != nil {
		return parts
	}
	return []int{slot}
}

// value is a column, or the text at a place inside one, "" when the table lacks it.
func (b builder) value(i int, alias string, slot int) string {
	c := b.tables[i].Columns[slot]
	if c.Path != nil {
		slot = c.From
	}
	name := b.quote(i, slot)
	switch {
	case name == "":
		return ""
	case c.Path != nil:
		return b.inside(alias+"."+name, b.columns[i][c.Name], c.Path)
	}
	return alias + "." + name
}

func (b builder) table(i int) string {
	return pgx.Identifier{b.tables[i].Schema, b.tables[i].Name}.Sanitize()
}

// quote returns a column's quoted name, "" when the table lacks it.
func (b builder) quote(i, slot int) string {
	name := b.tables[i].Columns[slot].Name
	if _, ok := b.columns[i][name]; !ok || b.tables[i].Columns[slot].Derived() {
		return ""
	}
	return pgx.Identifier{name}.Sanitize()
}

func (b builder) list(i int) string {
	out := make([]string, len(b.tables[i].Columns))
	for slot := range out {
		out[slot] = "null::text"
		if name := b.quote(i, slot); name != "" {
			out[slot] = b.bounded(i, slot, "a."+name)
		}
	}
	return strings.Join(out, ", ")
}

// existing lists the columns of table i that there are. Of others, which the role
// may have no right to read, there is no mention.
func (b builder) existing(i int, alias string) string {
	var out []string
	for slot := range b.tables[i].Columns {
		if name := b.quote(i, slot); name != "" {
			out = append(out, alias+"."+name)
		}
	}
	return strings.Join(out, ", ")
}

// maxValue bounds a value that is looked up, in bytes. An event has no room for
// more, and the look-up no time.
const maxValue = engine.DefaultEventBytes

// bounded selects a column without more than maxValue: a text's beginning, or
// null. Neither question reads the value itself. The mark is in ASCII, which
// every encoding has.
func (b builder) bounded(i, slot int, column string) string {
	c := b.tables[i].Columns[slot]
	switch t := b.columns[i][c.Name]; {
	case c.Required, isSmall(t):
		return column
	case t == "text" || strings.HasPrefix(t, "character"):
		return fmt.Sprintf("case when octet_length(%[1]s) > %[2]d then left(%[1]s, %[3]d) || '... [shortened]' else %[1]s end", column, maxValue, maxValue/16)
	}
	return fmt.Sprintf("case when pg_column_size(%[1]s) > %[2]d then null else %[1]s end", column, maxValue/4)
}

// isSmall tells the types whose values are never stored out of line.
func isSmall(t string) bool {
	for _, small := range []string{"uuid", "boolean", "smallint", "integer", "bigint", "timestamp", "date", "real", "double"} {
		if strings.HasPrefix(t, small) {
			return true
		}
	}
	return false
}
