package mapping

import (
	"chatbridge/mapping/internal/convert"
	"chatbridge/mapping/internal/plan"

	"go.yaml.in/yaml/v3"
)

func (c *compiler) object(v *yaml.Node, m memberForm) plan.Expr {
	if c.formed(v, m, convert.FormObject, &plan.Object{}) == nil {
		return nil
	}
	if m.of != nil {
		return &plan.Object{Members: c.memberList(c.member, c.section, v, v, m.of)}
	}
	o := &plan.Object{}
	if v.Kind != yaml.MappingNode {
		c.fail(v, "`object:` takes names with an expression each")
		return nil
	}
	for i := 0; i+1 < len(v.Content); i += 2 {
		name := v.Content[i].Value
		if x := c.compile(v.Content[i+1], memberForm{name: name}, 1); x != nil {
			o.Members = append(o.Members, plan.NewMember(name, false, x))
		}
	}
	return o
}

func (c *compiler) array(v *yaml.Node, m memberForm, depth int) plan.Expr {
	if c.formed(v, m, convert.FormArray, &plan.Array{}) == nil {
		return nil
	}
	if v.Kind != yaml.SequenceNode {
		c.fail(v, "`array:` takes a list of expressions")
		return nil
	}
	elem := memberForm{name: m.name}
	if m.of != nil {
		elem = memberForm{name: m.name, form: convert.FormObject, of: m.of}
	}
	a := &plan.Array{}
	for _, e := range v.Content {
		if x := c.compile(e, elem, depth+1); x != nil {
			a.Of = append(a.Of, x)
		}
	}
	return a
}

func (c *compiler) merged(n *yaml.Node, k map[string]*yaml.Node, m memberForm) plan.Expr {
	if c.formed(n, m, convert.FormObject, &plan.Object{}) == nil {
		return nil
	}
	if k["with"] == nil {
		c.fail(n, "`merge:` needs `with:`, the members to add where they are missing")
		return nil
	}
	col, ok := c.column(k["merge"]).(*plan.Column)
	if !ok {
		return nil
	}
	with, ok := c.object(k["with"], memberForm{name: m.name, form: convert.FormObject}).(*plan.Object)
	if !ok {
		return nil
	}
	x := &plan.Merge{Base: &plan.JSON{Of: col, Want: convert.FormObject}, With: *with}
	for _, w := range with.Members {
		x.Names = append(x.Names, w.Name)
	}
	return x
}
