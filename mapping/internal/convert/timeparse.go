package convert

import "time"

// parseTime reads a Postgres or ISO time of any year and offset as whole
// milliseconds since 1970, cut off towards the smaller digit, and the
// microseconds past them.
func parseTime(s []byte) (ms, micros int64, ok bool) {
	p := timeParser{s: s}
	bc := p.cutSuffix(" BC")
	year := p.number(4, 6)
	p.expect('-')
	month := p.number(2, 2)
	p.expect('-')
	day := p.number(2, 2)
	var hour, minute, sec, offset int64
	if len(p.s) > 0 {
		p.expectEither(' ', 'T')
		hour = p.number(2, 2)
		p.expect(':')
		minute = p.number(2, 2)
		p.expect(':')
		sec = p.number(2, 2)
		micros = p.fraction()
		offset = p.offset()
	}
	if p.bad || len(p.s) > 0 || hour > 23 || minute > 59 || sec > 59 {
		return 0, 0, false
	}
	if bc {
		year = 1 - year // 1 BC is the year 0
	}
	if !validDay(int(year), int(month), int(day)) {
		return 0, 0, false
	}
	t := time.Date(int(year), time.Month(month), int(day), int(hour), int(minute), int(sec), 0, time.UTC)
	return (t.Unix()-offset)*1000 + micros/1000, micros % 1000, true
}

// timeParser eats a time from the front. After the first thing that does not
// fit, bad is set and the rest of what it returns means nothing.
type timeParser struct {
	s   []byte
	bad bool
}

func (p *timeParser) cutSuffix(suffix string) bool {
	n := len(p.s) - len(suffix)
	if n < 0 || string(p.s[n:]) != suffix {
		return false
	}
	p.s = p.s[:n]
	return true
}

func (p *timeParser) number(least, most int) int64 {
	var v int64
	n := 0
	for n < len(p.s) && n < most && p.s[n]-'0' <= 9 {
		v = v*10 + int64(p.s[n]-'0')
		n++
	}
	if n < least {
		p.bad = true
	}
	p.s = p.s[n:]
	return v
}

func (p *timeParser) expect(c byte) { p.expectEither(c, c) }

func (p *timeParser) expectEither(a, b byte) {
	if len(p.s) == 0 || p.s[0] != a && p.s[0] != b {
		p.bad = true
		return
	}
	p.s = p.s[1:]
}

// fraction reads a dot and digits, if there, as microseconds; digits past the
// sixth are dropped.
func (p *timeParser) fraction() int64 {
	if len(p.s) == 0 || p.s[0] != '.' {
		return 0
	}
	p.s = p.s[1:]
	var v int64
	n := 0
	for ; n < len(p.s) && p.s[n]-'0' <= 9; n++ {
		if n < 6 {
			v = v*10 + int64(p.s[n]-'0')
		}
	}
	if n == 0 {
		p.bad = true
	}
	p.s = p.s[n:]
	for ; n < 6; n++ {
		v *= 10
	}
	return v
}

// offset reads Z, ±hh, ±hhmm, ±hh:mm or ±hh:mm:ss as seconds east of UTC;
// nothing is 0.
func (p *timeParser) offset() int64 {
	if len(p.s) == 0 {
		return 0
	}
	sign := p.s[0]
	p.s = p.s[1:]
	switch sign {
	case 'Z':
		return 0
	case '+', '-':
	default:
		p.bad = true
		return 0
	}
	v := p.number(2, 2) * 3600
	for unit := int64(60); len(p.s) > 0 && unit > 0; unit /= 60 {
		if p.s[0] == ':' {
			p.s = p.s[1:]
		}
		v += p.number(2, 2) * unit
	}
	if sign == '-' {
		return -v
	}
	return v
}
