package lookup

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

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

// errNoColumn is of tables that lack what the mapping names.
var errNoColumn = errors.New("the tables of messages or conversations, or columns by which rows are found, are not there or may not be read")

// CanReadPast tells whether a Past can read the rows of a mapping, as far as that alone
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
	of      *columnTypes // those of the messages that the texts were made for
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
	// What is printed in milliseconds is known up to the next one.
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
	return p.fetcher.once(ctx, func(pg *pgconn.PgConn, raw bool) error {
		q := of(&p.fetcher.texts)
		if q.text == "" || !q.workspaces {
			return p.again(errNoColumn)
		}
		return p.fetcher.send(ctx, pg, []asked{{q, asking}}, func(f engine.Found) { row(f.Row) }, raw)
	})
}

// again has the next question read the tables' columns anew, and returns err: a table may
// have been away for a moment.
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

// keyType is a type whose values come as text from elsewhere.
type keyType struct {
	name string // as casts have it
	// is the form of the values, nil for any text.
	form *regexp.Regexp
	// cast has to follow the column: it is compared as text.
	cast string
}

var (
	uuidForm    = regexp.MustCompile(`^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$`)
	integerForm = regexp.MustCompile(`^-?[0-9]{1,9}$`)
	bigintForm  = regexp.MustCompile(`^-?[0-9]{1,18}$`)
)

// typeOf returns how values are compared with a column of that type. What has another
// form than the type would be an error of the whole question.
func typeOf(name string) keyType {
	switch {
	case name == "uuid":
		return keyType{name: name, form: uuidForm}
	case name == "integer":
		return keyType{name: name, form: integerForm}
	case name == "bigint":
		return keyType{name: name, form: bigintForm}
	case name == "text":
		return keyType{name: name}
	case strings.HasPrefix(name, "character varying"):
		return keyType{name: "character varying"}
	}
	return keyType{name: "text", cast: "::text"}
}

// takes tells whether the text is a value of the type.
func (t keyType) takes(s string) bool {
	return utf8.ValidString(s) && !strings.Contains(s, "\x00") && (t.form == nil || t.form.MatchString(s))
}
