package lookup

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"chatbridge/mapping"
	"chatbridge/mapping/internal/plan"
)

func timeText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.999999Z07:00") }

func limitText(n int) []byte { return strconv.AppendInt(nil, int64(n), 10) }

// pastStatements are the texts of Past's questions, or why there are none.
type pastStatements struct {
	problem                                                  error
	messages, allMessages, newest, conversations, page, list string
	// workspace and conversation are the types of what is compared with them.
	workspace, conversation keyType
}

// newPastStatements writes the statements. Messages are found by an index on
// (conversation, time), of which each conversation takes one step.
func newPastStatements(spec *mapping.Spec, columns []columnTypes) (s pastStatements) {
	b := builder{spec.Tables(), columns, spec.Plan().Message.Where}
	p, m, c := spec.Plan(), &b.tables[plan.MessageTable], &b.tables[plan.ConversationTable]
	at, ok := b.moment(0, p.NewestBy)
	key, conv, ws := b.quote(0, m.Key), b.quote(0, p.Message.Conversation), b.quote(0, m.Workspace)
	ckey, cws := b.quote(1, c.Key), b.quote(1, c.Workspace)
	switch {
	case key == "" || conv == "" || ws == "" || ckey == "" || cws == "" || p.NewestBy >= 0 && b.quote(0, p.NewestBy) == "":
		s.problem = errNoColumn
		return s
	case !ok:
		s.problem = ErrNoTime
		return s
	}
	s.workspace = typeOf(b.typeName(0, m.Workspace))
	s.conversation = typeOf(b.typeName(0, p.Message.Conversation))
	order := fmt.Sprintf("m.%s desc, m.%s desc", at.column, key)
	// keys are what is selected; what is picked of them is where.
	keys := fmt.Sprintf("select m.%s::text as key, m.%s as made, %s as size from %s m where m.%[2]s is not null%[5]s and ", key, at.column, b.size(0, "m"), b.table(0), b.wanted("m"))
	out := fmt.Sprintf("select a.key, %s, a.size from ", at.millis("a.made"))
	asked := fmt.Sprintf("select a.key, %s, a.size, k.n from ", at.millis("a.made"))
	of := fmt.Sprintf("m.%s%s = k.conv and m.%s%s = ", conv, s.conversation.cast, ws, s.workspace.cast)
	workspace := func(n int) string { return fmt.Sprintf("$%d::%s", n, s.workspace.name) }

	s.messages = asked + fmt.Sprintf(`unnest($1::%s[], $2::timestamptz[]) with ordinality k(conv, since, n) cross join lateral (%s%s%s and m.%s > %s and m.%[5]s <= %[7]s order by %[8]s limit $5::bigint) a order by a.made desc, a.key desc limit $5::bigint`,
		s.conversation.name, keys, of, workspace(3), at.column, at.param("k.since"), at.param("$4"), order)
	s.newest = asked + fmt.Sprintf(`unnest($1::%s[]) with ordinality k(conv, n) cross join lateral (%s%s%s order by %s limit $3::bigint) a order by a.made desc, a.key desc limit $4::bigint`,
		s.conversation.name, keys, of, workspace(2), order)

	// Of a page, those that may be known come from one end, the others from the other,
	// up to the end of the millisecond in which the last of them was made.
	one := fmt.Sprintf("m.%s%s = $1::%s and m.%s%s = %s", conv, s.conversation.cast, s.conversation.name, ws, s.workspace.cast, workspace(2))
	beyond := fmt.Sprintf("%s and m.%s >= %s", one, at.column, at.param("$4"))
	last := fmt.Sprintf("(select date_trunc('milliseconds', m.%s) + interval '1 millisecond' from %s m where m.%[1]s is not null%[3]s and %[4]s order by m.%[1]s limit 1 offset $5::bigint - 1)",
		at.column, b.table(0), b.wanted("m"), beyond)
	from := fmt.Sprintf("(greatest($3::timestamptz - interval '%[1]d milliseconds', least($3::timestamptz, now() - interval '%[2]d milliseconds')))", Again.Milliseconds(), Young.Milliseconds())
	s.page = out + fmt.Sprintf(`((%[1]s%[2]s and m.%[3]s > %[4]s and m.%[3]s < %[5]s order by m.%[3]s desc, m.%[6]s desc limit $6::bigint)
		union all (%[1]s%[7]s and m.%[3]s < coalesce(%[8]s, 'infinity') order by m.%[3]s, m.%[6]s limit $6::bigint + 1)) a order by a.made, a.key`,
		keys, one, at.column, at.param(from), at.param("$4"), key, beyond, last)

	// The conversations of the workspace, each with its messages.
	ours := fmt.Sprintf("%s and %s", b.equal(0, "m", p.Message.Conversation, 1, "c", c.Key), b.equal(0, "m", m.Workspace, 1, "c", c.Workspace))
	where := fmt.Sprintf("c.%s%s = %s", cws, typeOf(b.typeName(1, c.Workspace)).cast, workspaceParam(b.typeName(1, c.Workspace), 1))
	s.allMessages = out + fmt.Sprintf(`%s c cross join lateral (%s%s and m.%s > %s and m.%[4]s <= %[6]s order by %[7]s limit $4::bigint) a where %[8]s order by a.made desc, a.key desc limit $4::bigint`,
		b.table(1), keys, ours, at.column, at.param("$2"), at.param("$3"), order, where)
	latest := fmt.Sprintf("left join lateral (select m.%[1]s as made from %[2]s m where %[3]s and m.%[1]s > %[4]s%[5]s order by m.%[1]s desc limit 1) l on true",
		at.column, b.table(0), ours, at.param("$2"), b.wanted("m"))
	changed, touched, updated := "l.made is not null", at.millis("l.made"), "null::bigint"
	if u, ok := b.moment(1, conversationTime(p)); ok {
		updated = u.millis("c." + u.column)
		changed, touched = fmt.Sprintf("(c.%s > %s or %s)", u.column, u.param("$2"), changed), fmt.Sprintf("greatest(%s, %s)", updated, touched)
		order = fmt.Sprintf("c.%s desc nulls last, c.%s", u.column, ckey)
	} else {
		order = "c." + ckey
	}
	s.list = fmt.Sprintf(`select c.%s::text, %s, %s from %s c where %s order by %s limit $2::bigint`, ckey, updated, b.size(1, "c"), b.table(1), where, order)
	s.conversations = fmt.Sprintf(`select c.%s::text as key, %s as made, %s from %s c %s where %s and %s order by made desc nulls last, key limit $3::bigint`,
		ckey, touched, b.size(1, "c"), b.table(1), latest, where, changed)
	return s
}

// workspaceParam is the workspace as a parameter.
func workspaceParam(of string, n int) string { return fmt.Sprintf("$%d::%s", n, typeOf(of).name) }

// conversationTime is the slot of the conversation's column that tells when it was
// changed: the first that its event's updatedAt is made of. -1 for none.
func conversationTime(p *plan.Plan) int {
	slot := -1
	for i := range p.Conversation.Members {
		if m := &p.Conversation.Members[i]; m.Name == "updatedAt" {
			m.Value.Walk(func(r plan.Ref) {
				if slot < 0 && r.Table == plan.ConversationTable {
					slot = r.Slot
				}
			})
		}
	}
	return slot
}

// moment is a column with a time.
type moment struct {
	column string // quoted
	zoned  bool
}

// moment returns the column in slot of table i; false where there is none, or it is
// no timestamp.
func (b builder) moment(i, slot int) (m moment, ok bool) {
	if slot < 0 {
		return m, false
	}
	m.column = b.quote(i, slot)
	name := b.typeName(i, slot)
	m.zoned = strings.HasSuffix(name, "with time zone")
	return m, m.column != "" && strings.HasPrefix(name, "timestamp")
}

// param is a timestamptz as it is compared with the column, so that an index is used.
func (m moment) param(p string) string {
	if m.zoned {
		return p + "::timestamptz"
	}
	return "(" + p + "::timestamptz at time zone 'UTC')"
}

// millis selects the column as milliseconds since 1970, null where it has none.
func (m moment) millis(column string) string {
	return fmt.Sprintf("case when isfinite(%[1]s) then floor(extract(epoch from %[1]s) * 1000)::bigint end", column)
}

func (b builder) typeName(i, slot int) string { return b.columns[i][b.tables[i].Columns[slot].Name] }

// size is about how large a row of table i is, of which no value is read.
func (b builder) size(i int, alias string) string {
	out := "100::bigint"
	for slot := range b.tables[i].Columns {
		name := b.quote(i, slot)
		switch t := b.typeName(i, slot); {
		case name == "" || isSmall(t):
		case t == "text" || strings.HasPrefix(t, "character"):
			out += fmt.Sprintf(" + coalesce(octet_length(%s.%s), 0)", alias, name)
		default:
			out += fmt.Sprintf(" + 2 * coalesce(pg_column_size(%s.%s), 0)", alias, name)
		}
	}
	return out
}
