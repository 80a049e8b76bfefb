package engine

import (
	"bytes"

	"chatbridge/mapping/contract"
	"chatbridge/mapping/internal/plan"
)

// payload writes an object of the members into r.out, shortened where it
// would be too large.
func (r *renderer) payload(kind contract.Kind, t plan.TableID, key []byte, members []plan.Member) outcome {
	o := r.writePayload(t, key, members)
	switch {
	case o != needsLookup && (r.env.Over || len(r.out) > r.env.Most):
		return r.shortenPayload(kind, t, key, members)
	case o == rendered && r.env.Cut:
		r.report.shorten(kind, t, key, &r.env)
	}
	return o
}

// writePayload writes an object of the members into r.out. Members without a
// value are left out; a required one without makes the event impossible.
func (r *renderer) writePayload(t plan.TableID, key []byte, members []plan.Member) outcome {
	out := r.out[:0]
	absent, tight := "", r.env.Tight()
	for i := range members {
		x := &members[i]
		before := len(out)
		if tight {
			r.env.Enter(x.Name)
		}
		next, ok := x.Value.JSON(append(out, x.Head...), &r.env)
		if tight && t == plan.MessageTable && x.Name == "metadata" {
			next, ok = sayShortened(next, before+len(x.Head), ok), true
		}
		if ok {
			out = next
			switch x.Mark {
			case plan.MarkID:
				r.idAt = before + len(x.Head)
			case plan.MarkStatus:
				r.statusAt = before + len(x.Head)
			}
			continue
		}
		if out = next[:before]; x.Required && absent == "" {
			absent = x.Name
		}
	}
	r.out = out
	if r.env.Missed {
		return needsLookup
	}
	if absent != "" && tight && r.env.Shortened {
		r.env.Over = true
		return impossible
	}
	if absent != "" {
		if r.env.Unsent == 0 && !r.env.LookupFailed {
			r.report.fail(failMember, t, key, absent, "no value for "+absent+", which the contract requires: end its list in the mapping with a constant")
		}
		return impossible
	}
	r.out[0] = '{'
	r.out = append(r.out, '}')
	if r.env.Unitless != "" {
		r.report.unitless(t, key, r.env.Unitless)
	}
	return rendered
}

// sayShortened puts "shortened":true into the object of metadata that begins
// at start, or makes it.
func sayShortened(out []byte, start int, ok bool) []byte {
	const say = `"shortened":true}`
	if !ok {
		return append(append(out[:start], '{'), say...)
	}
	out = bytes.TrimRight(out, " \t\r\n")
	out = bytes.TrimRight(out[:len(out)-1], " \t\r\n")
	if out[len(out)-1] != '{' {
		out = append(out, ',')
	}
	return append(out, say...)
}

// shortenPayload writes a payload again that was too large, with fewer large
// values each time. What is too large even so is left out.
func (r *renderer) shortenPayload(kind contract.Kind, t plan.TableID, key []byte, members []plan.Member) outcome {
	defer r.env.Loosen()
	for _, room := range r.env.Rooms() {
		r.env.Tighten(room)
		r.env.Unknown = r.env.Unknown[:0]
		if o := r.writePayload(t, key, members); o == needsLookup || o == impossible && !r.env.Over {
			return o
		}
		if !r.env.Over && len(r.out) <= r.env.Most {
			r.report.shorten(kind, t, key, &r.env)
			return rendered
		}
	}
	r.report.leaveOut(kind, t, key, &r.env)
	return impossible
}
