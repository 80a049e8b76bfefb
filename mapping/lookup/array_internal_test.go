package lookup

import "testing"

// TestArrayText: keys are written as Postgres reads them, at the cost of the array alone.
func TestArrayText(t *testing.T) {
	for want, keys := range map[string][]string{
		`{}`:                   nil,
		`{"a"}`:                {"a"},
		`{"a","","{x,y} é"}`:   {"a", "", "{x,y} é"},
		`{"\"\\\"","\\\\x\""}`: {`"\"`, `\\x"`},
	} {
		if got := string(arrayText(keys)); got != want {
			t.Errorf("%q became %s, want %s", keys, got, want)
		}
	}
	keys := []string{"00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"}
	if n := testing.AllocsPerRun(100, func() { arrayText(keys) }); n > 1 {
		t.Errorf("%v allocations for two ids, want 1", n)
	}
}

func BenchmarkArrayText(b *testing.B) {
	b.ReportAllocs()
	keys := []string{"00000000-0000-4000-8000-000000000001"}
	for b.Loop() {
		arrayText(keys)
	}
}
