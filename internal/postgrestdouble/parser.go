package postgrestdouble

import "strings"

// parser reads the nested notation of and=(…) and or=(…).
type parser struct {
	s string
	// table qualifies columns.
	table string
}

// name reads a name, quoted or up to one of the stops.
func (p *parser) name(stops string) string {
	out := ""
	if strings.HasPrefix(p.s, `"`) {
		out = p.quoted() // a place inside of it may follow
	}
	i := strings.IndexAny(p.s, stops)
	if i < 0 {
		i = len(p.s)
	}
	out += p.s[:i]
	p.s = p.s[i:]
	return out
}

// quoted reads a quoted text, in which a backslash takes the next as it is.
func (p *parser) quoted() string {
	var b strings.Builder
	i := 1
	for ; i < len(p.s) && p.s[i] != '"'; i++ {
		if p.s[i] == '\\' && i+1 < len(p.s) {
			i++
		}
		b.WriteByte(p.s[i])
	}
	p.s = p.s[min(i+1, len(p.s)):]
	return b.String()
}

// list reads (a,"b",c).
func (p *parser) list() ([]string, error) {
	if !strings.HasPrefix(p.s, "(") {
		return nil, badRequest("expected a list at %q", p.s)
	}
	p.s = p.s[1:]
	var out []string
	for !strings.HasPrefix(p.s, ")") {
		if p.s == "" {
			return nil, badRequest("a list does not end")
		}
		out = append(out, p.name(",)"))
		if rest, ok := strings.CutPrefix(p.s, ","); ok {
			p.s = rest
		}
	}
	p.s = p.s[1:]
	return out, nil
}

// logic reads and(…), or(…), with not. before it, or column.op.value.
func (p *parser) logic() (string, error) {
	not := ""
	if rest, ok := strings.CutPrefix(p.s, "not."); ok {
		not, p.s = "not ", rest
	}
	for _, word := range []string{"and", "or"} {
		rest, ok := strings.CutPrefix(p.s, word+"(")
		if !ok {
			continue
		}
		p.s = rest
		var parts []string
		for {
			c, err := p.logic()
			if err != nil {
				return "", err
			}
			parts = append(parts, c)
			if rest, ok := strings.CutPrefix(p.s, ","); ok {
				p.s = rest
				continue
			}
			if rest, ok := strings.CutPrefix(p.s, ")"); ok {
				p.s = rest
				return "(" + not + "(" + strings.Join(parts, " "+word+" ") + "))", nil
			}
			return "", badRequest("unexpected %q in %s", p.s, word)
		}
	}
	column := p.name(".")
	if column == "" || !strings.HasPrefix(p.s, ".") {
		return "", badRequest("failed to parse logic tree at %q", p.s)
	}
	p.s = p.s[1:]
	op := ""
	if rest, ok := strings.CutPrefix(p.s, "not."); ok {
		op, p.s = "not.", rest
	}
	i := strings.IndexByte(p.s, '.')
	if i < 0 {
		return "", badRequest("failed to parse logic tree at %q", p.s)
	}
	op += p.s[:i+1]
	p.s = p.s[i+1:]
	if strings.HasSuffix(op, "in.") {
		start := p.s
		if _, err := p.list(); err != nil {
			return "", err
		}
		return condition(p.table, column, op+start[:len(start)-len(p.s)])
	}
	return condition(p.table, column, op+p.name(",)"))
}
