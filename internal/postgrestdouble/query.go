package postgrestdouble

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"chatbridge/internal/sqlquote"

	"github.com/jackc/pgx/v5"
)

// query is what a request's query string asks for.
type query struct {
	table         string // qualifies columns
	columns       string
	conds         []string
	order         string
	limit, offset int
}

func badRequest(format string, args ...any) error {
	return &apiError{status: http.StatusBadRequest, Code: "PGRST100", Message: fmt.Sprintf(format, args...)}
}

func parseQuery(table string, v url.Values) (*query, error) {
	q := &query{table: table, columns: "*", limit: -1}
	names := make([]string, 0, len(v))
	for name := range v {
		names = append(names, name)
	}
	// Of filters of what is embedded nothing is known where it cannot be embedded.
	slices.Sort(names)
	if i := slices.Index(names, "select"); i > 0 {
		names = append([]string{"select"}, slices.Delete(names, i, i+1)...)
	}
	for _, name := range names {
		for _, value := range v[name] {
			if err := q.param(name, value); err != nil {
				return nil, err
			}
		}
	}
	return q, nil
}

func (q *query) param(name, value string) error {
	var err error
	switch name {
	case "apikey":
	case "select":
		if value != "" {
			q.columns, err = selectColumns(q.table, value)
		}
	case "order":
		q.order, err = orderBy(q.table, value)
	case "limit":
		q.limit, err = number(value)
	case "offset":
		q.offset, err = number(value)
	case "and", "or", "not.and", "not.or":
		var cond string
		p := parser{s: name + value, table: q.table}
		if cond, err = p.logic(); err == nil && p.s != "" {
			err = badRequest("unexpected %q", p.s)
		}
		q.conds = append(q.conds, cond)
	default:
		var cond string
		p := parser{s: name}
		cond, err = condition(q.table, p.name(""), value)
		q.conds = append(q.conds, cond)
	}
	return err
}

func number(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, badRequest("failed to parse %q as a number", s)
	}
	return n, nil
}

// setRange takes the header's range of rows, such as 0-99.
func (q *query) setRange(h string) error {
	h = strings.TrimPrefix(h, "items=")
	if h == "" {
		return nil
	}
	from, to, _ := strings.Cut(h, "-")
	a, err := number(from)
	if err != nil {
		return err
	}
	q.offset = a
	if to == "" {
		return nil
	}
	b, err := number(to)
	if err != nil || b < a {
		return &apiError{status: http.StatusRequestedRangeNotSatisfiable, Code: "PGRST103", Message: "Requested range not satisfiable"}
	}
	q.limit = b - a + 1
	return nil
}

func (q *query) where() string {
	if len(q.conds) == 0 {
		return ""
	}
	return " where " + strings.Join(q.conds, " and ")
}

func (q *query) sql(table string) string {
	sql := "select " + q.columns + " from " + table + q.where()
	if q.order != "" {
		sql += " order by " + q.order
	}
	return sql + fmt.Sprintf(" limit %d offset %d", q.limit, q.offset)
}

func name(s string) string { return pgx.Identifier{s}.Sanitize() }

// selectColumns reads a list of columns, with alias:column and column::cast.
func selectColumns(table, s string) (string, error) {
	p := parser{s: s}
	var out []string
	for {
		alias, item := "", p.name(":,(")
		if strings.HasPrefix(p.s, ":") && !strings.HasPrefix(p.s, "::") {
			p.s = p.s[1:]
			alias, item = item, p.name(":,(")
		}
		cast := ""
		if rest, ok := strings.CutPrefix(p.s, "::"); ok {
			p.s = rest
			cast = p.name(",")
		}
		switch {
		case strings.HasPrefix(p.s, "("): // the double embeds nothing, as if there were no foreign keys
			table, _, _ := strings.Cut(item, "!")
			return "", &apiError{
				status: http.StatusBadRequest, Code: "PGRST200",
				Message: fmt.Sprintf("Could not find a relationship with '%s' in the schema cache", table),
			}
		case item == "":
			return "", badRequest("failed to parse select %q", s)
		case item == "*":
			out = append(out, "*")
		default:
			expr := column(table, item)
			if cast != "" {
				expr += "::" + name(cast)
			}
			out = append(out, expr+" as "+name(cmp.Or(alias, item)))
		}
		if p.s == "" {
			return strings.Join(out, ", "), nil
		}
		if p.s[0] != ',' {
			return "", badRequest("failed to parse select %q", s)
		}
		p.s = p.s[1:]
	}
}

// column is a column, or the text or JSON at a place inside one: a->b->>0.
func column(table, s string) string {
	first, rest, ok := strings.Cut(s, "->")
	out := table + "." + name(first)
	for ok {
		arrow := "->"
		if strings.HasPrefix(rest, ">") {
			arrow, rest = "->>", rest[1:]
		}
		var step string
		step, rest, ok = strings.Cut(rest, "->")
		if strings.Trim(step, "0123456789") != "" {
			step = sqlquote.Literal(step)
		}
		out += arrow + step
	}
	return "(" + out + ")"
}

func orderBy(table, s string) (string, error) {
	p := parser{s: s}
	var out []string
	for {
		col := p.name(".,")
		if col == "" {
			return "", badRequest("failed to parse order %q", s)
		}
		term := column(table, col)
		for strings.HasPrefix(p.s, ".") {
			p.s = p.s[1:]
			switch word := p.name(".,"); word {
			case "asc", "desc":
				term += " " + word
			case "nullsfirst":
				term += " nulls first"
			case "nullslast":
				term += " nulls last"
			default:
				return "", badRequest("failed to parse order %q", s)
			}
		}
		out = append(out, term)
		if p.s == "" {
			return strings.Join(out, ", "), nil
		}
		p.s = p.s[1:]
	}
}

// operators are the comparisons with one value.
var operators = map[string]string{
	"eq": "=", "neq": "<>", "lt": "<", "lte": "<=", "gt": ">", "gte": ">=",
	"like": "like", "ilike": "ilike", "match": "~", "imatch": "~*",
}

// condition reads op.value for a column.
func condition(table, of, value string) (string, error) {
	not := ""
	if v, ok := strings.CutPrefix(value, "not."); ok {
		not, value = "not ", v
	}
	op, value, ok := strings.Cut(value, ".")
	if !ok {
		return "", badRequest("failed to parse filter (%s)", value)
	}
	switch {
	case op == "in":
		p := parser{s: value}
		items, err := p.list()
		if err != nil {
			return "", err
		}
		if p.s != "" {
			return "", badRequest("unexpected %q after a list", p.s)
		}
		if len(items) == 0 {
			return "(" + not + "false)", nil
		}
		for i := range items {
			items[i] = sqlquote.Literal(items[i])
		}
		return "(" + not + column(table, of) + " in (" + strings.Join(items, ", ") + "))", nil
	case op == "is":
		switch strings.ToLower(value) {
		case "null", "true", "false", "unknown":
			return "(" + not + column(table, of) + " is " + value + ")", nil
		}
		return "", badRequest("failed to parse is.%s", value)
	case operators[op] != "":
		if op == "like" || op == "ilike" {
			value = strings.ReplaceAll(value, "*", "%")
		}
		return "(" + not + column(table, of) + " " + operators[op] + " " + sqlquote.Literal(value) + ")", nil
	}
	return "", badRequest("failed to parse filter (%s.%s)", op, value)
}
