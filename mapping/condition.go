package mapping

// condition is a compiled condition.
type condition interface {
	holds(e *env) bool
	walk(visit func(ref))
}

// presentCond holds when an expression has a value.
type presentCond struct{ of expr }

func (c *presentCond) holds(e *env) bool    { _, ok := c.of.text(e); return ok }
func (c *presentCond) walk(visit func(ref)) { c.of.walk(visit) }

// inCond holds when text is among words; null may be one of them. Words of
// booleans match both ways of writing them.
type inCond struct {
	of    expr
	words []string // a few: faster than a map
	null  bool
}

func (c *inCond) holds(e *env) bool {
	s, ok := c.of.text(e)
	if !ok {
		return c.null
	}
	for _, w := range c.words {
		if string(s) == w {
			return true
		}
	}
	return false
}
func (c *inCond) walk(visit func(ref)) { c.of.walk(visit) }

// anyCond holds when one of several does, allCond when all do, notCond when
// another does not.
type (
	anyCond struct{ of []condition }
	allCond struct{ of []condition }
	notCond struct{ of condition }
)

func (c *anyCond) holds(e *env) bool {
	for _, o := range c.of {
		if o.holds(e) {
			return true
		}
	}
	return false
}

func (c *allCond) holds(e *env) bool {
	for _, o := range c.of {
		if !o.holds(e) {
			return false
		}
	}
	return true
}
func (c *notCond) holds(e *env) bool    { return !c.of.holds(e) }
func (c *notCond) walk(visit func(ref)) { c.of.walk(visit) }

func (c *anyCond) walk(visit func(ref)) { walkAll(c.of, visit) }
func (c *allCond) walk(visit func(ref)) { walkAll(c.of, visit) }

func walkAll(of []condition, visit func(ref)) {
	for _, o := range of {
		o.walk(visit)
	}
}
