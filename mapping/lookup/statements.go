package lookup

import (
	"fmt"
	"strings"

	"chatbridge/mapping"

	"github.com/jackc/pgx/v5"
)

// query is one statement and what its rows are.
type query struct {
	text   string
	role   string
	newest bool
	what   string // for errors
}

// statements are the texts of all questions. Each has one parameter, an array
// of keys. A question about a table that is not there, or lacks a column that
// it needs, is left empty and not asked.
type statements struct {
	conversations, newest, messages query
	referencesOf                    []query            // of conversations
	references                      map[string]query   // by key
	related                         map[string][]query // by the changed reference
}

// builder writes statements for the columns that there are.
type builder struct {
	tables  []mapping.Table
	columns []map[string]bool
}

func newStatements(spec *mapping.Spec, columns []map[string]bool) statements {
	b := builder{spec.Tables(), columns}
	message, conversation := b.tables[0], b.tables[1]
	s := statements{references: map[string]query{}, related: map[string][]query{}}
	convKey := b.quote(1, conversation.Key)
	if convKey != "" {
		s.conversations = b.query(1, "conversations", "where a."+convKey+" = any($1)")
		s.newest = b.newest("c." + convKey + " = any($1)")
	}
	if key := b.quote(0, message.Key); key != "" {
		s.messages = b.query(0, "messages", "where a."+key+" = any($1)")
	}
	for i := 2; i < len(b.tables); i++ {
		t := b.tables[i]
		key := b.quote(i, t.Key)
		if key == "" {
			continue
		}
		s.references[t.Role] = b.query(i, t.Role, "where a."+key+" = any($1)")
		if t.By != conversation.Role || convKey == "" {
			continue
		}
		if by := b.quote(1, t.ByColumn); by != "" {
			s.referencesOf = append(s.referencesOf, b.query(i, t.Role,
				fmt.Sprintf("where a.%s in (select c.%s from %s c where c.%s = any($1))", key, by, b.table(1), convKey)))
			s.related[t.Role] = b.relatedTo(by)
		}
	}
	return s
}

// relatedTo asks for the conversations that point to keys of a reference by a
// column, with what their events show.
func (b builder) relatedTo(by string) []query {
	key := b.quote(1, b.tables[1].Key)
	// The limit is for each key, whatever the others have.
	some := fmt.Sprintf(`select k.%[3]s from (select c.%[3]s, row_number() over (partition by c.%[2]s order by c.%[3]s) as n from %[1]s c where c.%[2]s = any($1)) k where k.n <= %[4]d`,
		b.table(1), by, key, mapping.RelatedLimit)
	out := []query{b.query(1, "conversations of a reference", "where a."+key+" in ("+some+")")}
	if q := b.newest("c." + key + " in (" + some + ")"); q.text != "" {
		out = append(out, q)
	}
	for i := 2; i < len(b.tables); i++ {
		t := b.tables[i]
		refKey := b.quote(i, t.Key)
		if refKey == "" || t.By != b.tables[1].Role {
			continue
		}
		if refBy := b.quote(1, t.ByColumn); refBy != "" {
			out = append(out, b.query(i, t.Role,
				fmt.Sprintf("where a.%s in (select c.%s from %s c where c.%s in (%s))", refKey, refBy, b.table(1), key, some)))
		}
	}
	return out
}

// newest asks for the newest message of each conversation that the condition
// picks: one step into an index on (conversation, time) for each.
func (b builder) newest(picks string) query {
	m := b.tables[0]
	if m.Newest < 0 {
		return query{}
	}
	conv, by, key := b.quote(0, m.Conversation), b.quote(0, m.Newest), b.quote(0, m.Key)
	if conv == "" || by == "" || key == "" {
		return query{}
	}
	text := fmt.Sprintf(`select %s from %s c cross join lateral (select * from %s m where m.%s = c.%s and m.%s is not null order by m.%s desc, m.%s desc limit 1) a where %s`,
		b.list(0), b.table(1), b.table(0), conv, b.quote(1, b.tables[1].Key), by, by, key, picks)
	return query{text: text, role: m.Role, newest: true, what: "newest messages"}
}

func (b builder) query(i int, what, where string) query {
	return query{text: fmt.Sprintf("select %s from %s a %s", b.list(i), b.table(i), where), role: b.tables[i].Role, what: what}
}

func (b builder) table(i int) string {
	return pgx.Identifier{b.tables[i].Schema, b.tables[i].Name}.Sanitize()
}

// quote returns a column's quoted name, "" when the table lacks it.
func (b builder) quote(i, slot int) string {
	name := b.tables[i].Columns[slot].Name
	if !b.columns[i][name] {
		return ""
	}
	return pgx.Identifier{name}.Sanitize()
}

func (b builder) list(i int) string {
	out := make([]string, len(b.tables[i].Columns))
	for slot := range out {
		out[slot] = "null::text"
		if name := b.quote(i, slot); name != "" {
			out[slot] = "a." + name
		}
	}
	return strings.Join(out, ", ")
}
