package plan

import "chatbridge/mapping/internal/convert"

// Time prints a time as the contract does.
type Time struct {
	Of   Expr
	Unit convert.Unit
	// Member is what the time is of.
	Member string
}

func (x *Time) Text(e *Env) ([]byte, bool) {
	s, ok := x.Of.Text(e)
	if !ok {
		return nil, false
	}
	start := len(e.Scratch)
	if e.Scratch, ok = x.append(e.Scratch, s, e); !ok {
		return nil, false
	}
	return e.Scratch[start:len(e.Scratch):len(e.Scratch)], true
}

func (x *Time) append(dst, s []byte, e *Env) ([]byte, bool) {
	if out, ok := convert.AppendTime(dst, s); ok {
		return out, true
	}
	out, ok, unitless := convert.AppendTimeOf(dst, s, x.Unit)
	if unitless {
		e.Unitless = x.Member
	}
	return out, ok
}

func (x *Time) JSON(dst []byte, e *Env) ([]byte, bool) {
	s, ok := x.Of.Text(e)
	if !ok {
		return dst, false
	}
	out, ok := x.append(append(dst, '"'), s, e)
	if !ok {
		return dst, false
	}
	return append(out, '"'), true
}
func (x *Time) Walk(visit func(Ref)) { x.Of.Walk(visit) }

// CommitTime is the time at which the transaction committed.
type CommitTime struct{}

func (x CommitTime) Text(e *Env) ([]byte, bool) {
	if e.time.IsZero() {
		return nil, false
	}
	start := len(e.Scratch)
	var ok bool
	e.Scratch, ok = convert.AppendMillis(e.Scratch, e.time.UnixMilli())
	return e.Scratch[start:len(e.Scratch):len(e.Scratch)], ok
}
func (x CommitTime) JSON(dst []byte, e *Env) ([]byte, bool) { return quoted(x, dst, e) }
func (x CommitTime) Walk(func(Ref))                         {}
