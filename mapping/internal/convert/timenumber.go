package convert

// Unit says what a time that is a number counts since 1970.
type Unit uint8

const (
	NoUnit Unit = iota
	seconds
	milliseconds
	microseconds
)

// UnitNames are the names used in a mapping; UnitNames[u-1] is that of Unit u.
var UnitNames = []string{"seconds", "milliseconds", "microseconds"}

// AppendTimeOf appends the contract's form of a time that is text or, where the
// unit is known, a number. unitless tells that it is a number of an unknown
// unit, which is no value.
func AppendTimeOf(dst, s []byte, unit Unit) (out []byte, ok, unitless bool) {
	if out, ok = AppendTime(dst, s); ok {
		return out, true, false
	}
	n, isNumber := parseDecimal(s)
	if !isNumber || unit == NoUnit {
		return dst, false, isNumber
	}
	ms, ok := n.millis(unit)
	if !ok {
		return dst, false, false
	}
	out, ok = AppendMillis(dst, ms)
	return out, ok, false
}

// decimal is digits × 10^exp.
type decimal struct {
	digits int64
	exp    int
}

// parseDecimal reads what Postgres prints for a number of any type: integers,
// numeric, and 1.7e+15 of floats. Digits past the eighteenth are cut off
// towards the smaller number. NaN and Infinity are no numbers.
func parseDecimal(s []byte) (decimal, bool) {
	var d decimal
	negative := len(s) > 0 && s[0] == '-'
	if negative {
		s = s[1:]
	}
	i, seen, cut := 0, 0, false
	for dot := false; i < len(s); i++ {
		switch c := s[i]; {
		case c == '.' && !dot:
			dot = true
			continue
		case c-'0' > 9:
		case d.digits < 1e17:
			seen++
			d.digits = d.digits*10 + int64(c-'0')
			if dot {
				d.exp--
			}
			continue
		default:
			seen++
			cut = cut || c != '0'
			if !dot {
				d.exp++
			}
			continue
		}
		break
	}
	exp, ok := parseExponent(s[i:])
	if negative {
		d.digits = -d.digits
		if cut {
			d.digits--
		}
	}
	d.exp += exp
	return d, ok && seen > 0
}

// parseExponent reads e+15, or nothing.
func parseExponent(s []byte) (int, bool) {
	if len(s) == 0 {
		return 0, true
	}
	p := timeParser{s: s[1:]}
	if s[0] != 'e' && s[0] != 'E' || len(p.s) == 0 {
		return 0, false
	}
	sign := 1
	switch p.s[0] {
	case '-':
		sign = -1
		p.s = p.s[1:]
	case '+':
		p.s = p.s[1:]
	}
	n := p.number(1, 4)
	return sign * int(n), !p.bad && len(p.s) == 0
}

// millis returns the number of milliseconds, cut off towards the earlier one;
// false when a JavaScript Date cannot hold it.
func (d decimal) millis(unit Unit) (int64, bool) {
	ms, exp := d.digits, d.exp
	switch unit {
	case seconds:
		exp += 3
	case microseconds:
		exp -= 3
	}
	for ; exp > 0 && ms != 0; exp-- {
		if ms > maxMillis || ms < -maxMillis {
			return 0, false
		}
		ms *= 10
	}
	for ; exp < 0 && ms != 0 && ms != -1; exp++ {
		ms = floorDiv(ms, 10)
	}
	return ms, true
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// order returns a number that grows with d, of whatever unit, as precise as 64
// bits allow: to the millionth below 10^12, to the unit from there.
func (d decimal) order() int64 {
	const most, wide = int64(1e12), int64(1e18)
	units, ok := decimal{d.digits, d.exp + 6}.scaled(wide)
	if ok {
		return units
	}
	if units, ok = d.scaled(8 * wide); ok && units > 0 {
		return wide + units - most
	}
	switch {
	case ok:
		return -wide + units + most
	case d.digits < 0:
		return -1 << 63
	}
	return 1<<63 - 1
}

// scaled returns the number without its fraction; false when it is larger than
// limit.
func (d decimal) scaled(limit int64) (int64, bool) {
	n := d.digits
	for exp := d.exp; exp > 0 && n != 0; exp-- {
		if n > limit/10 || n < -limit/10 {
			return 0, false
		}
		n *= 10
	}
	for exp := d.exp; exp < 0 && n != 0 && n != -1; exp++ {
		n = floorDiv(n, 10)
	}
	return n, n <= limit && n >= -limit
}
