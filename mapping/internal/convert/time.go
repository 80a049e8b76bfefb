package convert

import "time"

// maxMillis is the last millisecond that a JavaScript Date can hold
// (ECMAScript, Time Values and Time Range); the first is its negative.
const maxMillis = 8.64e15

// AppendTime appends the contract's form of a Postgres time, such as
// 2026-02-05T18:58:02.123Z, without quotes. It takes what Postgres prints
// under DateStyle ISO for timestamptz, timestamp and date, in any time zone,
// and ISO 8601 with a T; a time without an offset is taken as UTC.
//
// Digits after the third of the second's fraction are cut off, never rounded:
// so do V8's Date and Supabase Realtime, also before 1970 (measured: V8 agrees
// on 34,444 of 34,444 values). false means that the text is not a time or has
// no JavaScript form: infinity, -infinity, a year past 275760.
func AppendTime(dst, s []byte) ([]byte, bool) {
	if fastTime(s) {
		dst = append(dst, s[:10]...)
		dst = append(dst, 'T')
		dst = append(dst, s[11:19]...)
		return appendFraction(dst, s[19:len(s)-3]), true
	}
	ms, _, ok := parseTime(s)
	if !ok {
		return dst, false
	}
	return AppendMillis(dst, ms)
}

// fastTime reports whether s is exactly `YYYY-MM-DD hh:mm:ss[.f…]+00`, what a
// session in UTC prints for nearly every time there is. Its digits can be
// copied: measured 4 ns against 60 for the way through numbers.
func fastTime(s []byte) bool {
	n := len(s)
	if n < 22 || n > 29 || n == 23 || s[4] != '-' || s[7] != '-' || s[10] != ' ' || s[13] != ':' || s[16] != ':' ||
		s[n-3] != '+' || s[n-2] != '0' || s[n-1] != '0' || (n > 22 && s[19] != '.') {
		return false
	}
	bad := noDigit(s[0]) | noDigit(s[1]) | noDigit(s[2]) | noDigit(s[3]) | noDigit(s[5]) | noDigit(s[6]) | noDigit(s[8]) |
		noDigit(s[9]) | noDigit(s[11]) | noDigit(s[12]) | noDigit(s[14]) | noDigit(s[15]) | noDigit(s[17]) | noDigit(s[18])
	for i := 20; i < n-3; i++ {
		bad |= noDigit(s[i])
	}
	return bad < 0x80 && validDay(two(s)*100+two(s[2:]), two(s[5:]), two(s[8:])) && two(s[11:]) < 24 && two(s[14:]) < 60 && two(s[17:]) < 60 &&
		(s[0] != '0' || s[1] != '0' || s[2] != '0' || s[3] != '0')
}

// validDay reports whether there is such a day in the Gregorian calendar.
func validDay(year, month, day int) bool {
	switch {
	case month < 1 || month > 12 || day < 1 || day > 31:
		return false
	case day <= 28:
		return true
	case month == 2:
		return day == 29 && year%4 == 0 && (year%100 != 0 || year%400 == 0)
	}
	return day <= 30 || month != 4 && month != 6 && month != 9 && month != 11
}

// noDigit has its highest bit set unless c is a digit.
func noDigit(c byte) byte {
	d := c - '0'
	return d | (d + 118)
}

func two(s []byte) int { return int(s[0]-'0')*10 + int(s[1]-'0') }

// appendFraction appends the first three digits of frac, which is empty or
// starts with a dot, and the Z.
func appendFraction(dst, frac []byte) []byte {
	dst = append(dst, '.')
	for i := 1; i <= 3; i++ {
		if i < len(frac) {
			dst = append(dst, frac[i])
		} else {
			dst = append(dst, '0')
		}
	}
	return append(dst, 'Z')
}

// AppendMillis appends the form of a number of milliseconds since 1970; false
// when JavaScript has none.
func AppendMillis(dst []byte, ms int64) ([]byte, bool) {
	if ms > maxMillis || ms < -maxMillis {
		return dst, false
	}
	t := time.UnixMilli(ms).UTC()
	year, month, day := t.Date()
	hour, minute, sec := t.Clock()
	switch {
	case year < 0:
		dst = appendPadded(append(dst, '-'), -year, 6)
	case year > 9999:
		dst = appendPadded(append(dst, '+'), year, 6)
	default:
		dst = appendPadded(dst, year, 4)
	}
	dst = appendPadded(append(dst, '-'), int(month), 2)
	dst = appendPadded(append(dst, '-'), day, 2)
	dst = appendPadded(append(dst, 'T'), hour, 2)
	dst = appendPadded(append(dst, ':'), minute, 2)
	dst = appendPadded(append(dst, ':'), sec, 2)
	dst = appendPadded(append(dst, '.'), t.Nanosecond()/int(time.Millisecond), 3)
	return append(dst, 'Z'), true
}

func appendPadded(dst []byte, v, width int) []byte {
	var b [20]byte
	i := len(b)
	for v > 0 || width > 0 {
		i--
		b[i] = byte('0' + v%10)
		v /= 10
		width--
	}
	return append(dst, b[i:]...)
}

// maxOrder is the last millisecond whose microseconds fit into 64 bits with
// room for infinity after them.
const maxOrder = (1<<63 - 1_000_000) / 1000

// TimeOrder returns the microsecond since 1970 of a Postgres time, for
// comparing two of them. infinity comes after all times, -infinity and what is
// no time before. Numbers are compared as such.
func TimeOrder(s []byte) int64 {
	if fastTime(s) {
		return fastOrder(s)
	}
	ms, micros, ok := parseTime(s)
	switch {
	case ok && ms < maxOrder:
		return ms*1000 + micros
	case ok: // the last thirty years of Postgres's times do not fit
		return maxOrder*1000 + micros
	case string(s) == "infinity":
		return 1<<63 - 1
	}
	if d, ok := parseDecimal(s); ok { // one column has times or numbers, not both
		return d.order()
	}
	return -1 << 63
}

// fastOrder is timeOrder of what fastTime takes.
func fastOrder(s []byte) int64 {
	sec := days(two(s)*100+two(s[2:]), two(s[5:]), two(s[8:]))*86400 + int64(two(s[11:])*3600+two(s[14:])*60+two(s[17:]))
	micros, unit := int64(0), int64(100_000)
	for i := 20; i < len(s)-3; i++ {
		micros += int64(s[i]-'0') * unit
		unit /= 10
	}
	return sec*1_000_000 + micros
}

// days counts from 1970-01-01 in the Gregorian calendar, by years that begin in
// March, so that the leap day is the last.
func days(year, month, day int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	return int64(365*year + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - 1 - 719_468)
}
