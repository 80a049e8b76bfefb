package lookup_test

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"chatbridge/internal/schemas"
	"chatbridge/internal/sqlquote"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/mapping"
	"chatbridge/mapping/engine"
	"chatbridge/mapping/lookup"
)

// A conversation's newest message is the newest of those that `where:` lets through,
// whichever way it is asked for.
func TestNewestIsWanted(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, schemas.CRM, rows, `
alter table messages add column private boolean, add column kind int, add column extra jsonb;
delete from messages;
insert into messages (id, conversation_id, workspace_id, created_at, body, private, kind, extra) values
  (u('b1'), u('c1'), u('f1'), '2026-01-01', 'oldest', false, 1, '{"a": {"b": "x"}}'),
  (u('b2'), u('c1'), u('f1'), '2026-01-02', 'opt_2', true, 2, '{"a": {"b": null}, "l": ["y"]}'),
  (u('b3'), u('c1'), u('f1'), '2026-01-03', '', null, null, null)`)
	shared := pool(t, url, nil)
	server := httptest.NewServer(newRest(t, shared))
	t.Cleanup(server.Close)
	ask := map[string]func(*testing.T, *mapping.Spec) *lookup.Lookup{
		"sql": func(_ *testing.T, s *mapping.Spec) *lookup.Lookup { return lookup.NewSQL(shared, s, waitLimit) },
		"postgrest": func(t *testing.T, s *mapping.Spec) *lookup.Lookup {
			t.Helper()
			l, err := lookup.NewPostgREST(server.URL, fixed(restKey), server.Client(), s, waitLimit)
			if err != nil {
				t.Fatal(err)
			}
			return l
		},
	}
	for condition, want := range map[string]string{
		"{column: private, is: false}":                                                        "b1",
		"{column: private, in: [true]}":                                                       "b2",
		"{column: private, in: [false, null]}":                                                "b3",
		"{not: {column: private, is: true}}":                                                  "b3",
		"{not: {column: private, in: [true, null]}}":                                          "b1",
		"{not: {column: private, is: null}}":                                                  "b2",
		"{column: private, is: null}":                                                         "b3",
		"private":                                                                             "b2",
		"{not: private}":                                                                      "b3",
		`{column: kind, in: ["1", 3]}`:                                                        "b1",
		"{column: body, begins: opt_}":                                                        "b2",
		"{not: {column: body, begins: opt_}}":                                                 "b3",
		"{column: body, begins_not: opt_}":                                                    "b1",
		"{not: {column: body, begins_not: opt_}}":                                             "b3",
		"{column: extra, path: a.b, is: x}":                                                   "b1",
		"{column: extra, path: a.b}":                                                          "b1",
		"{not: {column: extra, path: a.b, is: x}}":                                            "b3",
		"{any: [{column: kind, is: 1}, {column: private, is: true}]}":                         "b2",
		"{all: [{column: kind, in: [1, 2]}, {not: {column: private, is: true}}]}":             "b1",
		"{not: {any: [{column: private, is: true}, {column: body, is: ''}]}}":                 "b1",
		"{not: {all: [{column: private, is: true}, {column: kind, is: 2}]}}":                  "b3",
		`{all: [{column: body, is: "it's, (\"so\")"}]}`:                                       "",
		"{all: [{column: extra, path: l.0, is: y}, {not: {column: body, begins_not: opt_}}]}": "b2",
	} {
		for name, by := range ask {
			t.Run(name+" "+condition, func(t *testing.T) {
				t.Parallel()
				s := spec(t, "crm", "message: {where: "+condition+"}")
				var got string
				if err := by(t, s).Fetch(&engine.Need{Newest: of(id("c1"))}, func(f engine.Found) {
					if f.Newest {
						got = string(f.Row[s.Tables()[0].Key].Data)
					}
				}); err != nil {
					t.Fatal(err)
				}
				if got = strings.TrimPrefix(got, id("")[:len(id(""))-2]); got != want {
					t.Errorf("newest is %q, want %q", got, want)
				}
			})
		}
	}
}

// logicParameter turns and=(…) into SQL.
func logicParameter(name string, q url.Values, prefix string) []string {
	rest, ok := strings.CutPrefix(q.Get(prefix+"and"), "(")
	if !ok {
		return nil
	}
	l := &logic{s: rest, table: name}
	return l.list()
}

// logic reads PostgREST's notation of conditions in conditions.
type logic struct{ s, table string }

// list reads conditions up to the parenthesis that ends them.
func (l *logic) list() (out []string) {
	for {
		out = append(out, l.condition())
		end := l.s[0] == ')'
		if l.s = l.s[1:]; end {
			return out
		}
	}
}

func (l *logic) condition() string {
	for _, word := range []string{"and", "or"} {
		if rest, ok := strings.CutPrefix(l.s, word+"("); ok {
			l.s = rest
			return "(" + strings.Join(l.list(), " "+word+" ") + ")"
		}
	}
	column := l.until(".")
	path := strings.Split(column, "->")
	column = l.table + "." + path[0]
	for i, step := range path[1:] {
		arrow := "->"
		if i == len(path)-2 {
			arrow, step = "->>", strings.TrimPrefix(step, ">")
		}
		if strings.Trim(step, "0123456789") != "" {
			step = sqlquote.Literal(step)
		}
		column += arrow + step
	}
	l.s = l.s[1:]
	not := ""
	if rest, ok := strings.CutPrefix(l.s, "not."); ok {
		l.s, not = rest, "not "
	}
	op := l.until(".")
	l.s = l.s[1:]
	switch op {
	case "is":
		return fmt.Sprintf("(%s(%s is %s))", not, column, l.until(",)"))
	case "in":
		var items []string
		for l.s[0] != ')' {
			l.s = l.s[1:]
			items = append(items, sqlquote.Literal(l.value()))
		}
		l.s = l.s[1:]
		return fmt.Sprintf("(%s(%s in (%s)))", not, column, strings.Join(items, ", "))
	}
	operator := map[string]string{"match": "~", "eq": "=", "neq": "<>"}[op]
	return fmt.Sprintf("(%s(%s %s %s))", not, column, operator, sqlquote.Literal(l.value()))
}

func (l *logic) until(stops string) string {
	i := strings.IndexAny(l.s, stops)
	word := l.s[:i]
	l.s = l.s[i:]
	return word
}

// value reads a text in quotes.
func (l *logic) value() string {
	var b strings.Builder
	i := 1
	for ; l.s[i] != '"'; i++ {
		if l.s[i] == '\\' {
			i++
		}
		b.WriteByte(l.s[i])
	}
	l.s = l.s[i+1:]
	return b.String()
}
