package lookup

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"chatbridge/mapping/internal/plan"
)

// ErrNotOverPostgREST is returned where the project's REST interface cannot be asked for
// rows by time, as it would be wrong or fail; a direct connection can.
var ErrNotOverPostgREST = errors.New("rows cannot be read by time over PostgREST; set lookup.url, which may be a pooler's address")

// noDescription is PostgREST's code for an interface that does not describe itself.
const noDescription = "PGRST126"

// shape is what the tables of messages and conversations are like.
type shape struct {
	types [2]columnTypes
	// made is the slot of the messages' time, updated that of the conversations' change,
	// -1 where there is none.
	made, updated           int
	workspace, conversation keyType
	where                   bool // the mapping's `where:` can be asked for
}

// shapeChanged reports whether a column or a table is not there, or of another type.
func (e *statusError) shapeChanged() bool {
	switch e.code {
	case undefinedColumn, "42P01", "42883", "22007", "22P02", "PGRST204", "PGRST205":
		return true
	}
	return false
}

// learn reads the types of the columns, and takes from them how to ask.
func (p *RESTPast) learn(ctx context.Context) error {
	types, err := p.describe(ctx)
	if err != nil {
		return err
	}
	spec := p.rest.spec
	tables, pl := spec.Tables(), spec.Plan()
	m, c := &tables[plan.MessageTable], &tables[plan.ConversationTable]
	s := shape{types: types, made: pl.NewestBy, updated: conversationTime(pl)}
	missing := map[columnID]bool{}
	for i := range types {
		for _, column := range tables[i].Columns {
			if _, ok := types[i][column.Name]; !ok && !column.Derived() {
				missing[columnID{tables[i].Role, column.Name}] = true
			}
		}
	}
	typeName := func(i, slot int) string { return types[i][tables[i].Columns[slot].Name] }
	for i, slots := range [][]int{{m.Key, pl.Message.Conversation, m.Workspace, s.made}, {c.Key, c.Workspace}} {
		for _, slot := range slots {
			name := typeName(i, slot)
			_, asked := restKeyType(name)
			switch {
			case name == "":
				return errNoColumn
			case slot == s.made && i == 0:
				if !strings.HasPrefix(name, "timestamp") {
					return ErrNoTime
				}
			case !asked:
				return fmt.Errorf("%w: column %s of %s is of type %s", ErrNotOverPostgREST, tables[i].Columns[slot].Name, tables[i].Name, name)
			}
		}
	}
	if s.updated >= 0 && (c.Columns[s.updated].Derived() || !strings.HasPrefix(typeName(1, s.updated), "timestamp")) {
		s.updated = -1
	}
	s.workspace, _ = restKeyType(typeName(0, m.Workspace))
	if of, _ := restKeyType(typeName(1, c.Workspace)); of.form != nil { // has to take it too
		s.workspace = of
	}
	s.conversation, _ = restKeyType(typeName(0, pl.Message.Conversation))
	s.where = pl.Message.Where != nil && s.expressible(p.rest, pl.Message.Where)
	p.shape, p.rest.missing, p.known = s, missing, true
	return nil
}

// describe asks for the interface's own description (OpenAPI).
func (p *RESTPast) describe(ctx context.Context) (types [2]columnTypes, err error) {
	type definition struct {
		Properties map[string]struct{ Format string }
	}
	var doc struct{ Definitions map[string]definition }
	tables := p.tables()
	for i := range types {
		if t := tables[i]; i == 0 || t.Schema != tables[0].Schema {
			doc.Definitions = nil
			_, err := p.rest.read(ctx, question{what: "the columns' types", schema: t.Schema, accept: "application/openapi+json, application/json;q=0.9", most: maxAnswer}, &doc)
			var status *statusError
			if errors.As(err, &status) && status.code == noDescription {
				return types, fmt.Errorf("%w: the interface does not describe its tables (openapi-mode is disabled)", ErrNotOverPostgREST)
			}
			if err != nil {
				return types, err
			}
		}
		types[i] = columnTypes{}
		for column, property := range doc.Definitions[tables[i].Name].Properties {
			types[i][column] = property.Format
		}
	}
	return types, nil
}

var smallintForm = regexp.MustCompile(`^-?[0-9]{1,4}$`)

// restKeyType returns how values are compared with a column of that type; false where
// they cannot be: PostgREST compares no column as text that is none.
func restKeyType(name string) (keyType, bool) {
	name = name[strings.LastIndexByte(name, '.')+1:] // an extension's schema
	switch t := typeOf(name); {
	case t.cast == "":
		return t, true
	case name == "smallint":
		return keyType{name: name, form: smallintForm}, true
	case name == "citext":
		return keyType{name: name}, true
	}
	return keyType{}, false
}

// wanted adds the mapping's `where:` to conditions, where it can be asked for. Else all
// rows are read, and the Mapper, which makes events of them, drops the others.
func (p *RESTPast) wanted(conditions []string) []string {
	if !p.where {
		return conditions
	}
	return append(conditions[:len(conditions):len(conditions)], p.rest.filter(p.rest.spec.Plan().Message.Where, true))
}

// expressible reports whether a condition means the same to PostgREST, which compares
// values of the column's type, as to the Mapper, which compares texts.
func (s *shape) expressible(rest *restFetcher, c plan.Condition) bool {
	switch c := c.(type) {
	case *plan.Any:
		return s.allExpressible(rest, c.Of)
	case *plan.All:
		return s.allExpressible(rest, c.Of)
	case *plan.Not:
		return s.expressible(rest, c.Of)
	case *plan.In:
		kind := s.operandType(rest, c.Of)
		form, ok := wordForms[kind]
		for _, w := range c.Words {
			ok = ok && (form == nil || form.MatchString(w))
		}
		return ok
	case *plan.Present:
		if b, begins := c.Of.(*plan.Begins); begins {
			form, ok := wordForms[s.operandType(rest, b.Of)]
			return ok && form == nil
		}
		return s.operandType(rest, c.Of) != ""
	}
	return false
}

func (s *shape) allExpressible(rest *restFetcher, of []plan.Condition) bool {
	for _, c := range of {
		if !s.expressible(rest, c) {
			return false
		}
	}
	return true
}

// wordForms are the types whose values can be compared with words, and how a word then
// has to look to be a value as it is printed; nil for any.
var wordForms = map[string]*regexp.Regexp{
	"text": nil, "character varying": nil,
	"boolean": regexp.MustCompile(`^(true|t|false|f)$`),
	"integer": regexp.MustCompile(`^(0|-?[1-9][0-9]{0,8})$`),
	"bigint":  regexp.MustCompile(`^(0|-?[1-9][0-9]{0,17})$`),
	"uuid":    regexp.MustCompile(`^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$`),
}

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// operandType is the type of a column of messages, or of the text at a place inside one;
// "" where it cannot be asked for.
func (s *shape) operandType(rest *restFetcher, x plan.Expr) string {
	columns := rest.table("message").Columns
	switch x := x.(type) {
	case *plan.Column:
		kind := s.types[0][columns[x.Ref.Slot].Name]
		if strings.HasPrefix(kind, "character varying") {
			kind = "character varying"
		}
		return kind
	case *plan.Path:
		kind := s.types[0][columns[x.Of.Of.Ref.Slot].Name]
		for _, step := range x.Of.Path {
			if !plainName.MatchString(step) {
				return ""
			}
		}
		if kind == "json" || kind == "jsonb" {
			return "text"
		}
	}
	return ""
}
