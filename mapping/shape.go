package mapping

import (
	"encoding/json"
	"reflect"
	"strings"

	"chatbridge/mapping/contract"
	"chatbridge/mapping/internal/convert"
)

// shape is what the contract says of an object: its members in the order in
// which they are written. It is read off the payload types, so that there is
// one truth.
type shape struct {
	name    string
	members []shapeMember
}

type shapeMember struct {
	name     string
	form     convert.Form
	required bool
	enum     []string
	// of is the shape of an object or of a list's elements, nil where the
	// contract leaves it open.
	of *shape
}

func shapeOf[T any](name string) *shape {
	return structShape(name, reflect.TypeFor[T]())
}

func structShape(name string, t reflect.Type) *shape {
	s := &shape{name: name}
	for i := range t.NumField() {
		f := t.Field(i)
		tag, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		m := shapeMember{name: tag, required: opts != "omitempty"}
		for _, part := range strings.Split(f.Tag.Get("jsonschema"), ",") {
			if word, ok := strings.CutPrefix(part, "enum="); ok {
				m.enum = append(m.enum, word)
			}
		}
		m.form, m.of = typeForm(name+"."+tag, f.Type)
		s.members = append(s.members, m)
	}
	return s
}

func typeForm(name string, t reflect.Type) (convert.Form, *shape) {
	switch {
	case t == reflect.TypeFor[contract.Timestamp]():
		return convert.FormTime, nil
	case t == reflect.TypeFor[json.RawMessage]():
		return convert.FormObject, nil
	}
	switch t.Kind() {
	case reflect.Bool:
		return convert.FormBool, nil
	case reflect.Slice:
		return convert.FormArray, structShape(name, t.Elem())
	case reflect.Pointer:
		return convert.FormObject, structShape(name, t.Elem())
	}
	return convert.FormText, nil
}

func (s *shape) member(name string) (shapeMember, bool) {
	for _, m := range s.members {
		if m.name == name {
			return m, true
		}
	}
	return shapeMember{}, false
}

func (s *shape) names() []string {
	out := make([]string, len(s.members))
	for i, m := range s.members {
		out[i] = m.name
	}
	return out
}
