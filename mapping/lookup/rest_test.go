package lookup_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const restKey = "service-key"

// rest answers as PostgREST does, from a real database: columns cast in the
// select list, rows embedded over foreign keys with a column's name as hint,
// `in`, `not.is.null`, order and limit, also of what is embedded, and its
// errors. There is no package of PostgREST itself for tests; what it does here
// follows its documentation (Resource Embedding, Horizontal Filtering).
type rest struct {
	t    *testing.T
	pool *pgxpool.Pool
}

func newRest(t *testing.T, pool *pgxpool.Pool) http.Handler { return &rest{t, pool} }

type restError struct {
	status        int
	Code, Message string
}

func (e *restError) Error() string { return e.Code + " " + e.Message }

func (r *rest) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	body, err := r.answer(req)
	if err != nil {
		e := &restError{status: 500, Code: "XX000", Message: err.Error()}
		var pg *pgconn.PgError
		if errors.As(err, &pg) {
			e = &restError{status: 400, Code: pg.Code, Message: pg.Message}
		}
		errors.As(err, &e)
		w.WriteHeader(e.status)
		_ = json.NewEncoder(w).Encode(map[string]any{"code": e.Code, "message": e.Message, "details": nil, "hint": nil})
		return
	}
	_, _ = w.Write(body)
}

func (r *rest) answer(req *http.Request) ([]byte, error) {
	table, ok := strings.CutPrefix(req.URL.Path, "/rest/v1/")
	switch {
	case !ok:
		return nil, &restError{404, "", "no such path"}
	case req.Header.Get("apikey") != restKey || req.Header.Get("Authorization") != "Bearer "+restKey:
		return nil, &restError{401, "PGRST301", "JWSError"}
	case len(req.URL.RawQuery) > 8000:
		return nil, &restError{414, "", "URI Too Long"}
	case req.Header.Get("Accept-Profile") != "public":
		return nil, &restError{406, "PGRST106", "The schema must be one of the following: public"}
	}
	q := req.URL.Query()
	list, err := r.selectList(req, table, table, q.Get("select"), q)
	if err != nil {
		return nil, err
	}
	sql := fmt.Sprintf("select coalesce(json_agg(x), '[]')::text from (select %s from %s where %s) x", list, table, where(table, q, ""))
	var body []byte
	err = r.pool.QueryRow(req.Context(), sql).Scan(&body)
	return body, err
}

// selectList turns a select parameter into SQL.
func (r *rest) selectList(req *http.Request, table, name, list string, q url.Values) (string, error) {
	var out []string
	for _, item := range split(list) {
		open := strings.IndexByte(item, '(')
		if open < 0 {
			column, _, _ := strings.Cut(item, "::")
			out = append(out, fmt.Sprintf("%s.%s::text as %s", name, column, column))
			continue
		}
		alias, target, _ := strings.Cut(item[:open], ":")
		other, hint, _ := strings.Cut(target, "!")
		sql, err := r.embed(req, table, other, hint, alias, item[open+1:len(item)-1], q)
		if err != nil {
			return "", err
		}
		out = append(out, sql)
	}
	return strings.Join(out, ", "), nil
}

// embed turns alias:other!hint(list) into a sub-select, to one or to many by
// where the foreign key is.
func (r *rest) embed(req *http.Request, table, other, hint, alias, list string, q url.Values) (string, error) {
	const relation = `select conrelid = $1::regclass from pg_constraint c
		join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1] and a.attname = $3
		where contype = 'f' and (conrelid, confrelid) in (($1::regclass, $2::regclass), ($2::regclass, $1::regclass))`
	var toOne bool
	if err := r.pool.QueryRow(req.Context(), relation, table, other, hint).Scan(&toOne); err != nil {
		return "", &restError{400, "PGRST200", fmt.Sprintf("Could not find a relationship between '%s' and '%s' in the schema cache", table, other)}
	}
	name := other + "_1"
	columns, err := r.selectList(req, other, name, list, q)
	if err != nil {
		return "", err
	}
	if toOne {
		return fmt.Sprintf("(select row_to_json(e) from (select %s from %s %s where %s.id = %s.%s and %s) e) as %s",
			columns, other, name, name, table, hint, where(name, q, alias+"."), alias), nil
	}
	return fmt.Sprintf("(select coalesce(json_agg(e), '[]') from (select %s from %s %s where %s.%s = %s.id and %s) e) as %s",
		columns, other, name, name, hint, table, where(name, q, alias+"."), alias), nil
}

// where turns the parameters with that prefix into a condition, an order and a
// limit.
func where(name string, q url.Values, prefix string) string {
	cond, tail := []string{"true"}, ""
	if o := q.Get(prefix + "order"); o != "" {
		var by []string
		for _, term := range strings.Split(o, ",") {
			by = append(by, name+"."+strings.ReplaceAll(term, ".", " "))
		}
		tail += " order by " + strings.Join(by, ", ")
	}
	if l := q.Get(prefix + "limit"); l != "" {
		tail += " limit " + l
	}
	cond = append(cond, logicParameter(name, q, prefix)...)
	for key, values := range q {
		column, ok := strings.CutPrefix(key, prefix)
		if !ok || strings.Contains(column, ".") || column == "select" || column == "and" || column == "order" || column == "limit" {
			continue
		}
		if values[0] == "not.is.null" {
			cond = append(cond, name+"."+column+" is not null")
		} else if in, ok := strings.CutPrefix(values[0], "in.("); ok {
			cond = append(cond, fmt.Sprintf("%s.%s = any('{%s}')", name, column, strings.ReplaceAll(strings.TrimSuffix(in, ")"), "'", "''")))
		} else {
			cond = append(cond, "false /* not understood */")
		}
	}
	return strings.Join(cond, " and ") + tail
}

// split cuts at the commas outside of parentheses.
func split(s string) []string {
	var out []string
	depth, start := 0, 0
	for i, c := range s {
		switch c {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				out = append(out, s[start:i])
				start = i + 1
			}
		}
	}
	return append(out, s[start:])
}
