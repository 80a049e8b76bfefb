package mapping

import (
	"encoding/json"
	"slices"

	"chatbridge/internal/jsonscan"
	"chatbridge/internal/nearest"
	"chatbridge/mapping/internal/convert"
	"chatbridge/mapping/internal/plan"

	"go.yaml.in/yaml/v3"
)

func (c *compiler) constant(v *yaml.Node, m memberForm) plan.Expr {
	var value any
	if err := v.Decode(&value); err != nil {
		c.fail(v, "`const:` cannot be read: %v", err)
		return nil
	}
	f, ok := constForms[v.ShortTag()]
	if !ok {
		f = convert.FormAny
	}
	if f == convert.FormText && len(m.enum) > 0 && !slices.Contains(m.enum, v.Value) {
		c.fail(v, "%s cannot be %q: %s", m.name, v.Value, nearest.Hint(v.Value, m.enum))
		return nil
	}
	if f == convert.FormText {
		return c.formed(v, m, f, &plan.Const{Plain: []byte(v.Value), Encoded: jsonscan.AppendString(nil, []byte(v.Value))})
	}
	encoded, err := json.Marshal(value)
	if err != nil || value == nil {
		c.fail(v, "`const:` has no JSON: leave the member out instead")
		return nil
	}
	x := &plan.Const{Encoded: encoded}
	if v.Kind == yaml.ScalarNode {
		x.Plain = encoded
	}
	return c.formed(v, m, f, x)
}

var constForms = map[string]convert.Form{
	"!!str": convert.FormText, "!!bool": convert.FormBool, "!!int": convert.FormNumber, "!!float": convert.FormNumber,
	"!!seq": convert.FormArray, "!!map": convert.FormObject, "!!timestamp": convert.FormText,
}

// converted compiles time, number and bool; of a list each element is
// converted by itself, so that one that cannot be leaves room for the next.
// unit is that of times that are numbers, nil for none.
func (c *compiler) converted(head string, v, unit *yaml.Node, m memberForm, depth int) plan.Expr {
	if v.Kind == yaml.SequenceNode && head != "bool" {
		f := &plan.First{}
		for _, e := range v.Content {
			if x := c.converted(head, deref(e), unit, m, depth+1); x != nil {
				f.Of = append(f.Of, x)
			}
		}
		return f
	}
	x := c.compile(v, memberForm{name: m.name, form: convert.FormText}, depth+1)
	if x == nil {
		return nil
	}
	switch head {
	case "time":
		return c.formed(v, m, convert.FormTime, c.timeHead(v, unit, x))
	case "number":
		return c.formed(v, m, convert.FormNumber, &plan.Number{Of: x})
	}
	return c.formed(v, m, convert.FormBool, &plan.Bool{Of: x})
}

func (c *compiler) jsonHead(v *yaml.Node, k map[string]*yaml.Node, m memberForm) plan.Expr {
	col, ok := c.column(v).(*plan.Column)
	if !ok {
		return nil
	}
	x := &plan.JSON{Of: col, Want: m.form}
	if m.form == convert.FormTime {
		c.fail(v, "%s is a time: write {time: {column: %s, path: …}}", m.name, v.Value)
	}
	if k["path"] != nil {
		x.Path = c.path(k["path"])
	}
	if n := k["nulls"]; n != nil {
		x.Edit.DropNulls = n.Value == "drop"
		if n.Value != "drop" && n.Value != "keep" {
			c.fail(n, "`nulls:` is drop or keep, not %q", n.Value)
		}
	}
	if n := k["times"]; n != nil {
		for _, e := range n.Content {
			x.Edit.Times = append(x.Edit.Times, e.Value)
		}
		if n.Kind != yaml.SequenceNode {
			c.fail(n, "`times:` takes a list of members")
		}
	}
	x.Edit.Unit, x.Member = c.unit(k["unit"]), c.member
	if n := k["unit"]; n != nil && k["times"] == nil {
		c.fail(n, "`unit:` is that of `times:`, which is missing")
	}
	return x
}

// unit compiles `unit:`, nil being none.
func (c *compiler) unit(n *yaml.Node) convert.Unit {
	if n == nil {
		return convert.NoUnit
	}
	i := slices.Index(convert.UnitNames, n.Value)
	if i < 0 {
		c.fail(n, "there is no unit %q: %s", n.Value, nearest.Hint(n.Value, convert.UnitNames))
	}
	return convert.Unit(i + 1)
}

func (c *compiler) timeHead(v, unit *yaml.Node, x plan.Expr) plan.Expr {
	t := &plan.Time{Of: x, Unit: c.unit(unit), Member: c.member}
	if unit == nil {
		c.timeColumns(v, x)
	}
	return t
}

// timeColumns notes the columns that a time without a unit may be taken from.
func (c *compiler) timeColumns(v *yaml.Node, x plan.Expr) {
	switch x := x.(type) {
	case *plan.Column:
		c.spec.times = append(c.spec.times, timeColumn{ref: x.Ref, at: c.place(v)})
	case *plan.Kept:
		c.timeColumns(v, x.Of)
	case *plan.First:
		for _, o := range x.Of {
			c.timeColumns(v, o)
		}
	case *plan.If:
		c.timeColumns(v, x.Then)
		c.timeColumns(v, x.Else)
	}
}
