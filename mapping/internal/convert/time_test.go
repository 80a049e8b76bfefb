package convert_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"chatbridge/internal/npm"
	"chatbridge/mapping/internal/convert"
)

func TestTime(t *testing.T) {
	t.Parallel()
	cases := []struct{ in, want string }{
		// What Postgres prints in UTC.
		{"2026-02-05 18:58:02+00", "2026-02-05T18:58:02.000Z"},
		{"2026-02-05 18:58:02.1+00", "2026-02-05T18:58:02.100Z"},
		{"2026-02-05 18:58:02.12+00", "2026-02-05T18:58:02.120Z"},
		{"2026-02-05 18:58:02.123+00", "2026-02-05T18:58:02.123Z"},
		{"2026-02-05 18:58:02.1234+00", "2026-02-05T18:58:02.123Z"},
		{"2026-02-05 18:58:02.123456+00", "2026-02-05T18:58:02.123Z"},
		// Truncated, never rounded; before 1970 too.
		{"2026-12-31 23:59:59.999999+00", "2026-12-31T23:59:59.999Z"},
		{"1969-12-31 23:59:59.999999+00", "1969-12-31T23:59:59.999Z"},
		{"1969-12-31 23:59:59.9999-00:00:30", "1970-01-01T00:00:29.999Z"},
		// Other offsets, to the second.
		{"2026-02-05 15:58:02.5-03", "2026-02-05T18:58:02.500Z"},
		{"2026-02-06 00:28:02+05:30", "2026-02-05T18:58:02.000Z"},
		{"2026-02-06 00:28:02+0530", "2026-02-05T18:58:02.000Z"},
		{"1900-01-01 00:00:00-03:06:28", "1900-01-01T03:06:28.000Z"},
		{"2026-01-01 00:00:00+14", "2025-12-31T10:00:00.000Z"},
		// ISO 8601, and types without an offset.
		{"2026-02-05T18:58:02.123456+00:00", "2026-02-05T18:58:02.123Z"},
		{"2026-02-05T18:58:02Z", "2026-02-05T18:58:02.000Z"},
		{"2026-02-05T18:58:02.123456789Z", "2026-02-05T18:58:02.123Z"},
		{"2026-02-05 18:58:02.123456", "2026-02-05T18:58:02.123Z"},
		{"2026-02-05", "2026-02-05T00:00:00.000Z"},
		// Far away.
		{"0001-01-01 00:00:00+00", "0001-01-01T00:00:00.000Z"},
		{"0001-01-01 00:00:00+00 BC", "0000-01-01T00:00:00.000Z"},
		{"0044-03-15 12:00:00+00 BC", "-000043-03-15T12:00:00.000Z"},
		{"4714-11-24 00:00:00+00 BC", "-004713-11-24T00:00:00.000Z"},
		{"9999-12-31 23:59:59.999+00", "9999-12-31T23:59:59.999Z"},
		{"9999-12-31 23:59:59.999-01", "+010000-01-01T00:59:59.999Z"},
		{"10000-01-01 00:00:00+00", "+010000-01-01T00:00:00.000Z"},
		{"275760-09-13 00:00:00+00", "+275760-09-13T00:00:00.000Z"},
		// No JavaScript form.
		{"275760-09-13 00:00:00.001+00", ""},
		{"294276-12-31 23:59:59.999999+00", ""},
		{"infinity", ""},
		{"-infinity", ""},
		// No time.
		{"", ""},
		{"now", ""},
		{"2026-02-05 18:58:02+", ""},
		{"2026-02-05 18:58:02.+00", ""},
		{"2026-02-05 18:58:02+00 AD", ""},
		{"2026-13-05 18:58:02+00", ""},
		{"2026-02-32 18:58:02+00", ""},
		{"2026-00-01 18:58:02+00", ""},
		{"2026-02-00 18:58:02+00", ""},
		{"2026-02-29 18:58:02+00", ""},
		{"2026-04-31 18:58:02-03", ""},
		{"2024-02-29 18:58:02+00", "2024-02-29T18:58:02.000Z"},
		{"1900-02-29 18:58:02+00", ""},
		{"0005-02-29 00:00:00+00 BC", "-000004-02-29T00:00:00.000Z"},
		{"2026-02-05 25:58:02+00", ""},
		{"2026-02-05 18:60:02+00", ""},
		{"2026-02-05 18:58:0x+00", ""},
		{"2026-02-05 18:58:02.1234x+00", ""},
		{"20260-02-05 18:58:02+0", ""},
		{"02/05/2026 18:58:02.1 -03", ""},
	}
	for _, c := range cases {
		out, ok := convert.AppendTime([]byte("x"), []byte(c.in))
		if ok != (c.want != "") || string(out[:1]) != "x" || ok && string(out[1:]) != c.want {
			t.Errorf("%q: got %q %v, want %q", c.in, out, ok, c.want)
		}
	}
}

// postgres prints a time as Postgres does under DateStyle ISO.
func postgres(at time.Time, offset string) string {
	year, era := at.Year(), ""
	if year <= 0 {
		year, era = 1-year, " BC"
	}
	s := fmt.Sprintf("%04d-%s", year, at.Format("01-02 15:04:05"))
	if us := at.Nanosecond() / 1000; us > 0 {
		s += "." + strings.TrimRight(fmt.Sprintf("%06d", us), "0")
	}
	return s + offset + era
}

// V8 and we agree on every time: the clients compare ours with those that
// ChatEngine printed.
func TestTimesAgreeWithV8(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	var ours []string
	var theirs []string
	for range 20_000 {
		// Mostly the years of people, some of all that Postgres has.
		at := time.UnixMicro(r.Int64N(4e15) - 1e15)
		if r.IntN(10) == 0 {
			at = time.UnixMicro(r.Int64N(9e18) - 2e17)
		}
		if r.IntN(3) == 0 {
			at = at.Truncate(time.Duration(1+r.IntN(1000)) * time.Millisecond)
		}
		at = at.UTC()
		ours = append(ours, postgres(at, "+00"))
		year := fmt.Sprintf("%04d", at.Year())
		if at.Year() < 0 || at.Year() > 9999 {
			year = fmt.Sprintf("%+07d", at.Year())
		}
		theirs = append(theirs, year+at.Format("-01-02T15:04:05.000000Z"))
	}
	node := npm.Node(t, "../../../internal/jsonscan/testdata/oracle.mjs")
	node.Tell(map[string]any{"times": theirs})
	var answer struct{ Times []*string }
	node.Await("answer", &answer)
	for i, want := range answer.Times {
		got, ok := convert.AppendTime(nil, []byte(ours[i]))
		if ok != (want != nil) || ok && string(got) != *want {
			t.Fatalf("%q: ours %q (%v), V8's for %q: %v", ours[i], got, ok, theirs[i], want)
		}
	}
}

// The fast way orders times as the general one does.
func TestTimeOrder(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for range 20_000 {
		at := time.UnixMicro(r.Int64N(2.5e17) - 6e16).UTC()
		if got := convert.TimeOrder([]byte(postgres(at, "+00"))); got != at.UnixMicro() {
			t.Fatalf("%v: got %d, want %d", at, got, at.UnixMicro())
		}
		if got := convert.TimeOrder([]byte(postgres(at, ""))); got != at.UnixMicro() {
			t.Fatalf("%v, the long way: got %d, want %d", at, got, at.UnixMicro())
		}
	}
	order := []string{"-infinity", "4714-11-24 00:00:00+00 BC", "1969-12-31 23:59:59.999999+00", "1970-01-01 00:00:00+00", "1970-01-01 00:00:00-03", "294276-12-31 23:59:59+00", "infinity"}
	for i := 1; i < len(order); i++ {
		if convert.TimeOrder([]byte(order[i-1])) >= convert.TimeOrder([]byte(order[i])) {
			t.Errorf("%s does not come before %s", order[i-1], order[i])
		}
	}
}

func FuzzTime(f *testing.F) {
	for _, s := range []string{"2026-02-05 18:58:02.123456+00", "0044-03-15 12:00:00-03:06:28 BC", "infinity", "2026-02-05T18:58:02Z", "275760-09-13 00:00:00+00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, s []byte) {
		out, ok := convert.AppendTime(nil, s)
		if !ok {
			return
		}
		// What came out is a contract time and comes out again as itself.
		if n := len(out); n != 24 && n != 27 || out[n-1] != 'Z' || out[n-5] != '.' {
			t.Fatalf("%q: %q", s, out)
		}
		if len(out) == 24 {
			if again, ok := convert.AppendTime(nil, out); !ok || string(again) != string(out) {
				t.Fatalf("%q: %q, then %q", s, out, again)
			}
		}
		convert.TimeOrder(s)
	})
}

func BenchmarkTime(b *testing.B) {
	for name, s := range map[string]string{"utc": "2026-02-05 18:58:02.123456+00", "offset": "2026-02-05 15:58:02.123456-03"} {
		b.Run(name, func(b *testing.B) {
			in, out := []byte(s), make([]byte, 0, 32)
			b.ReportAllocs()
			for b.Loop() {
				out, _ = convert.AppendTime(out[:0], in)
			}
		})
	}
}
