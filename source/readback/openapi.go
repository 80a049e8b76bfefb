package readback

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"chatbridge/source"
)

// Describe learns the table's columns from the interface's own description
// (OpenAPI). Where the project has turned that off, it reads one row and
// guesses: then Guessed is set, and a table without rows has no columns.
func (r *PostgREST) Describe(ctx context.Context, t Table) (Shape, error) {
	shape, err := r.describeOpenAPI(ctx, t)
	if err == nil {
		return shape, nil
	}
	var e *Error
	if !errors.As(err, &e) || e.Status == 0 || e.Status >= 500 || e.Status == 401 || e.Status == 429 {
		return Shape{}, err
	}
	return r.describeRow(ctx, t)
}

func (r *PostgREST) describeOpenAPI(ctx context.Context, t Table) (Shape, error) {
	var doc struct {
		Definitions map[string]struct {
			Properties json.RawMessage `json:"properties"`
		} `json:"definitions"`
	}
	op := "describe " + t.String()
	now, err := r.get(ctx, op, Table{Schema: t.Schema}, nil, &doc)
	if err != nil {
		return Shape{}, err
	}
	def, ok := doc.Definitions[t.Name]
	if !ok {
		return Shape{}, &Error{
			Op: op, Status: 404, Permanent: true, Err: errors.New("the API does not have the table"),
			Hint: "check its name, that its schema is exposed, and that service_role may select from it",
		}
	}
	shape, err := readProperties(def.Properties)
	if err != nil {
		return Shape{}, &Error{Op: op, Status: 200, Err: err}
	}
	shape.Time = now
	return shape, nil
}

// readProperties reads the columns in the order in which they are written.
func readProperties(raw []byte) (Shape, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return Shape{}, errors.New("read OpenAPI properties")
	}
	var shape Shape
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return Shape{}, fmt.Errorf("read OpenAPI properties: %w", err)
		}
		var p struct {
			Format      string `json:"format"`
			Description string `json:"description"`
		}
		if err := dec.Decode(&p); err != nil {
			return Shape{}, fmt.Errorf("read OpenAPI property: %w", err)
		}
		name, _ := tok.(string)
		shape.Columns = append(shape.Columns, source.Column{
			Name: name, Type: typname(p.Format),
			Key: strings.Contains(p.Description, "<pk/>"),
		})
	}
	return shape, nil
}

// describeRow guesses the columns from one row.
func (r *PostgREST) describeRow(ctx context.Context, t Table) (Shape, error) {
	var rows []json.RawMessage
	v := url.Values{"select": {"*"}, "limit": {"1"}}
	now, err := r.get(ctx, "describe "+t.String(), t, v, &rows)
	if err != nil {
		return Shape{}, err
	}
	shape := Shape{Guessed: true, Time: now}
	if len(rows) == 0 {
		return shape, nil
	}
	dec := json.NewDecoder(bytes.NewReader(rows[0]))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return Shape{}, &Error{Op: "describe " + t.String(), Err: errors.New("a row is not an object")}
	}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return Shape{}, &Error{Op: "describe " + t.String(), Err: err}
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return Shape{}, &Error{Op: "describe " + t.String(), Err: err}
		}
		name, _ := tok.(string)
		shape.Columns = append(shape.Columns, source.Column{Name: name, Type: guessType(value)})
	}
	return shape, nil
}

func guessType(v json.RawMessage) string {
	switch v[0] {
	case '{', '[':
		return "jsonb"
	case 't', 'f':
		return "bool"
	case '"', 'n':
		return "text"
	}
	return "numeric"
}

// typname turns the name that format_type prints into pg_type.typname.
func typname(format string) string {
	if base, ok := strings.CutSuffix(format, "[]"); ok {
		return "_" + typname(base)
	}
	if i := strings.IndexByte(format, '('); i >= 0 {
		rest := ""
		if j := strings.IndexByte(format, ')'); j > i {
			rest = format[j+1:]
		}
		format = format[:i] + rest
	}
	if s, ok := typnames[format]; ok {
		return s
	}
	if i := strings.LastIndexByte(format, '.'); i >= 0 {
		format = format[i+1:]
	}
	return strings.Trim(format, `"`)
}

// typnames has the types whose SQL name is not their typname. It is never
// changed.
var typnames = map[string]string{
	"smallint": "int2", "integer": "int4", "bigint": "int8",
	"real": "float4", "double precision": "float8",
	"boolean": "bool", "character varying": "varchar", "character": "bpchar",
	"timestamp with time zone": "timestamptz", "timestamp without time zone": "timestamp",
	"time with time zone": "timetz", "time without time zone": "time",
	"bit varying": "varbit",
}
