package plan

// Condition is a compiled condition.
type Condition interface {
	Holds(e *Env) bool
	Walk(visit func(Ref))
}

// Present holds when an expression has a value.
type Present struct{ Of Expr }

func (c *Present) Holds(e *Env) bool    { _, ok := c.Of.Text(e); return ok }
func (c *Present) Walk(visit func(Ref)) { c.Of.Walk(visit) }

// In holds when text is among words; null may be one of them. Words of
// booleans match both ways of writing them.
type In struct {
	Of    Expr
	Words []string // a few: faster than a map
	Null  bool
}

func (c *In) Holds(e *Env) bool {
	s, ok := c.Of.Text(e)
	if !ok {
		return c.Null
	}
	for _, w := range c.Words {
		if string(s) == w {
			return true
		}
	}
	return false
}
func (c *In) Walk(visit func(Ref)) { c.Of.Walk(visit) }

// anyCond holds when one of several does, allCond when all do, notCond when
// another does not.
type (
	Any struct{ Of []Condition }
	All struct{ Of []Condition }
	Not struct{ Of Condition }
)

func (c *Any) Holds(e *Env) bool {
	for _, o := range c.Of {
		if o.Holds(e) {
			return true
		}
	}
	return false
}

func (c *All) Holds(e *Env) bool {
	for _, o := range c.Of {
		if !o.Holds(e) {
			return false
		}
	}
	return true
}
func (c *Not) Holds(e *Env) bool    { return !c.Of.Holds(e) }
func (c *Not) Walk(visit func(Ref)) { c.Of.Walk(visit) }

func (c *Any) Walk(visit func(Ref)) { walkAll(c.Of, visit) }
func (c *All) Walk(visit func(Ref)) { walkAll(c.Of, visit) }

func walkAll(of []Condition, visit func(Ref)) {
	for _, o := range of {
		o.Walk(visit)
	}
}
