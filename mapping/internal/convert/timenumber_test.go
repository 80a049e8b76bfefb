package convert_test

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"chatbridge/mapping/internal/convert"
)

func appendTimeOf(dst, s []byte, unit string) (out []byte, ok, counted bool) {
	return convert.AppendTimeOf(dst, s, convert.Unit(slices.Index(convert.UnitNames, unit)+1))
}

// A number is a time of the unit that the mapping says, and none without.
func TestTimesThatAreNumbers(t *testing.T) {
	t.Parallel()
	const at = "2026-02-05T18:58:02.123Z"
	cases := []struct{ in, unit, want string }{
		{"1770317882", "seconds", "2026-02-05T18:58:02.000Z"},
		{"1770317882.123456", "seconds", at},
		{"1770317882.1", "seconds", "2026-02-05T18:58:02.100Z"},
		{"1.770317882123456e+09", "seconds", at},
		{"1770317882123", "milliseconds", at},
		{"1770317882123.999", "milliseconds", at},
		{"1770317882123456", "microseconds", at},
		{"1770317882123999", "microseconds", at},
		{"1.770317882123456e+15", "microseconds", at},
		{"1770317882123456.7890123456789", "microseconds", at},
		{"177031788212345678901234567890e-14", "microseconds", at},
		{"0", "seconds", "1970-01-01T00:00:00.000Z"},
		{"0.0", "microseconds", "1970-01-01T00:00:00.000Z"},
		{"-1", "seconds", "1969-12-31T23:59:59.000Z"},
		{"-1", "microseconds", "1969-12-31T23:59:59.999Z"},
		{"-1001", "microseconds", "1969-12-31T23:59:59.998Z"},
		{"-0.00000000000000000000001", "seconds", "1969-12-31T23:59:59.999Z"},
		{"8640000000000", "seconds", "+275760-09-13T00:00:00.000Z"},
		{"8640000000001", "seconds", ""},
		{"9223372036854775807", "seconds", ""},
		{"9223372036854775807", "microseconds", ""},
		{"1e999", "seconds", ""},
		{"1e-999", "seconds", "1970-01-01T00:00:00.000Z"},
		{"NaN", "seconds", ""},
		{"Infinity", "seconds", ""},
		{"", "seconds", ""},
		{"-", "seconds", ""},
		{".", "seconds", ""},
		{"1.2.3", "seconds", ""},
		{"1e", "seconds", ""},
		{"1e+", "seconds", ""},
		{"12x", "seconds", ""},
		// What is a time by itself stays one.
		{"2026-02-05 18:58:02.123456+00", "seconds", at},
		{"2026-02-05", "milliseconds", "2026-02-05T00:00:00.000Z"},
		// Without a unit.
		{"1770317882", "", "?"},
		{"1770317882123", "", "?"},
		{"-1.5", "", "?"},
		{"now", "", ""},
		{"infinity", "", ""},
	}
	for _, c := range cases {
		out, ok, counted := appendTimeOf([]byte("x"), []byte(c.in), c.unit)
		got := ""
		switch {
		case ok:
			got = string(out[1:])
		case counted:
			got = "?"
		}
		if got != c.want {
			t.Errorf("%s of %q: %q, want %q", c.unit, c.in, got, c.want)
		}
	}
}

// Seconds and what Postgres prints for the same moment agree.
func TestTimesThatAreNumbersAgree(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for range 5000 {
		micros := r.Int64N(8e15) - 4e15
		sec, rest := micros/1_000_000, micros%1_000_000
		if rest < 0 {
			sec, rest = sec-1, rest+1_000_000
		}
		want, ok, _ := appendTimeOf(nil, strconv.AppendInt(nil, sec*1000+rest/1000, 10), "milliseconds")
		got, ok2, _ := appendTimeOf(nil, strconv.AppendInt(nil, micros, 10), "microseconds")
		if !ok || !ok2 || string(got) != string(want) {
			t.Fatalf("%d: %s, want %s", micros, got, want)
		}
	}
}

func TestOrderOfNumbers(t *testing.T) {
	t.Parallel()
	numbers := []string{
		"-1e30", "-9223372036854775808", "-1000000000001", "-1000000000000", "-999999999999.5", "-1.000001", "-1", "-0.5", "0", "0.000001", "1", "1.000001",
		"1e2", "999999999999.999999", "1000000000000", "1000000000001", "1770317882123455", "1770317882123456", "8000000000000000000", "1e30",
	}
	for i, a := range numbers {
		for j, b := range numbers {
			x, y := convert.TimeOrder([]byte(a)), convert.TimeOrder([]byte(b))
			if i < j && x >= y && (i != 0 || j != 1) {
				t.Errorf("%s is not before %s: %d, %d", a, b, x, y)
			}
		}
	}
}
