package lookup

import (
	"net/url"
	"regexp"
	"strings"

	"chatbridge/mapping/internal/plan"
)

// onlyWanted filters messages by the mapping's `where:`; prefix is the alias of the
// table with a dot, "" where it is not embedded.
func (p *restFetcher) onlyWanted(v url.Values, prefix string) {
	if where := p.spec.Plan().Message.Where; where != nil {
		v.Set(prefix+"and", "("+p.filter(where, true)+")")
	}
}

// filter writes a condition, or what is true where it does not hold, in PostgREST's
// notation. Its `not` leaves out nulls as SQL's does, so it is only used where that is
// meant.
func (p *restFetcher) filter(c plan.Condition, holds bool) string {
	switch c := c.(type) {
	case *plan.Any:
		return p.filters(c.Of, holds, "or", "and")
	case *plan.All:
		return p.filters(c.Of, holds, "and", "or")
	case *plan.Not:
		return p.filter(c.Of, !holds)
	case *plan.In:
		return p.inFilter(c, holds)
	case *plan.Present:
		if b, ok := c.Of.(*plan.Begins); ok {
			return p.beginsFilter(b, holds)
		}
		return p.operand(c.Of) + isNull(!holds)
	}
	return ""
}

func (p *restFetcher) filters(of []plan.Condition, holds bool, word, otherwise string) string {
	if !holds {
		word = otherwise
	}
	parts := make([]string, len(of))
	for i, c := range of {
		parts[i] = p.filter(c, holds)
	}
	return word + "(" + strings.Join(parts, ",") + ")"
}

func (p *restFetcher) inFilter(c *plan.In, holds bool) string {
	column := p.operand(c.Of)
	in := column + "." + oneOf(c.Words)
	if !holds {
		in = column + ".not." + oneOf(c.Words)
	}
	switch null := column + isNull(true); {
	case len(c.Words) == 0:
		return column + isNull(holds)
	case c.Null == holds: // null is what is asked for
		return "or(" + in + "," + null + ")"
	}
	return in
}

func (p *restFetcher) beginsFilter(b *plan.Begins, holds bool) string {
	column := p.operand(b.Of)
	pattern := `.match."` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace("^"+regexp.QuoteMeta(b.Prefix)) + `"`
	null := column + isNull(true)
	switch {
	case !b.Not && holds:
		return column + pattern
	case !b.Not:
		return "or(" + column + ".not" + pattern + "," + null + ")"
	case holds:
		return "and(" + column + ".not" + pattern + "," + column + `.neq."")`
	}
	return "or(" + column + pattern + "," + column + `.eq."",` + null + ")"
}

func isNull(yes bool) string {
	if yes {
		return ".is.null"
	}
	return ".not.is.null"
}

// operand names a column of messages, or a place inside one.
func (p *restFetcher) operand(x plan.Expr) string {
	message := p.table("message")
	switch x := x.(type) {
	case *plan.Column:
		return quoteName(name(message, x.Ref.Slot))
	case *plan.Path:
		return place(quoteName(name(message, x.Of.Of.Ref.Slot)), x.Of.Path)
	}
	return ""
}

// place names the text at a place inside a column that holds JSON.
func place(column string, path []string) string {
	for i, name := range path {
		arrow := "->"
		if i == len(path)-1 {
			arrow = "->>"
		}
		column += arrow + name
	}
	return column
}
