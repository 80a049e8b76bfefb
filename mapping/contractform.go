package mapping

import (
	"encoding/json"
	"reflect"
	"strings"

	"chatbridge/mapping/contract"
	"chatbridge/mapping/internal/convert"
)

// objectForm is what the contract says of an object: its members in the order in
// which they are written. It is read off the payload types, so that there is
// one truth.
type objectForm struct {
	name    string
	members []memberForm
}

type memberForm struct {
	name     string
	form     convert.Form
	required bool
	enum     []string
	// of is the form of an object or of a list's elements, nil where the
	// contract leaves it open.
	of *objectForm
}

func formOf[T any](name string) *objectForm {
	return structForm(name, reflect.TypeFor[T]())
}

func structForm(name string, t reflect.Type) *objectForm {
	s := &objectForm{name: name}
	for i := range t.NumField() {
		f := t.Field(i)
		tag, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		m := memberForm{name: tag, required: opts != "omitempty"}
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

func typeForm(name string, t reflect.Type) (convert.Form, *objectForm) {
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
		return convert.FormArray, structForm(name, t.Elem())
	case reflect.Pointer:
		return convert.FormObject, structForm(name, t.Elem())
	}
	return convert.FormText, nil
}

func (s *objectForm) member(name string) (memberForm, bool) {
	for _, m := range s.members {
		if m.name == name {
			return m, true
		}
	}
	return memberForm{}, false
}

func (s *objectForm) names() []string {
	out := make([]string, len(s.members))
	for i, m := range s.members {
		out[i] = m.name
	}
	return out
}
