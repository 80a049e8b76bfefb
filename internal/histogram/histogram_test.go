package histogram_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"chatbridge/internal/histogram"
)

var bounds = []time.Duration{
	500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond,
	25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute,
}

const low, high = -14, 17

// TestEveryDurationIsInItsBuckets compares both histograms, for durations at every edge and
// for random ones, with their definitions.
func TestEveryDurationIsInItsBuckets(t *testing.T) {
	l := histogram.NewLayout(low, high, bounds...)
	durations := []time.Duration{math.MinInt64, -1, 0, 1, math.MaxInt64}
	around := func(d time.Duration) { durations = append(durations, d-1, d, d+1) }
	for _, b := range bounds {
		around(b)
	}
	for i := (low - 1) * 8; i <= (high+1)*8; i++ {
		around(time.Duration(math.Exp2(float64(i)/8) * float64(time.Second)))
	}
	for shift := range 63 {
		around(1 << shift)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		durations = append(durations, time.Duration(random.Int64()>>random.IntN(63)))
	}
	for _, d := range durations {
		h := histogram.New(l)
		h.Observe(d)
		s := h.Snapshot()
		classic := 0
		for classic < len(bounds) && d > bounds[classic] {
			classic++
		}
		if s.Counts[classic] != 1 || s.Count != 1 || s.Sum != max(d, 0) {
			t.Fatalf("%d: classic %v, count %d, sum %v", d, s.Counts, s.Count, s.Sum)
		}
		if d.Seconds() <= s.ZeroUpTo {
			if s.Zero != 1 || len(s.Native) != 0 {
				t.Fatalf("%d is not at zero: %+v", d, s)
			}
			continue
		}
		if s.Zero != 0 || len(s.Native) != 1 {
			t.Fatalf("%d: native %v, zero %d", d, s.Native, s.Zero)
		}
		for i, n := range s.Native {
			above, upTo := math.Exp2(float64(i-1)/8), math.Exp2(float64(i)/8)
			in := d.Seconds() > above && d.Seconds() <= upTo
			if beyond := i == high*8+1 && d.Seconds() > above; n != 1 || !in && !beyond {
				t.Fatalf("%d is in (%v, %v], %d times", d, above, upTo, n)
			}
		}
	}
}

// TestTally: what is counted by the way of a Tally is what is counted at once, and it is
// counted once.
func TestTally(t *testing.T) {
	l := histogram.NewLayout(low, high, bounds...)
	direct, added, tally := histogram.New(l), histogram.New(l), histogram.NewTally(l)
	random := rand.New(rand.NewPCG(3, 4))
	for i := range 10_000 {
		d := time.Duration(random.ExpFloat64() * float64(time.Second))
		direct.Observe(d)
		tally.Observe(d)
		if i%7 == 0 {
			tally.AddTo(added)
		}
	}
	tally.AddTo(added)
	tally.AddTo(added)
	a, d := added.Snapshot(), direct.Snapshot()
	if a.Count != 10_000 || a.Sum != d.Sum || a.Zero != d.Zero || len(a.Native) != len(d.Native) {
		t.Errorf("%d, %v, %d; want %d, %v, %d", a.Count, a.Sum, a.Zero, d.Count, d.Sum, d.Zero)
	}
	for i, n := range d.Native {
		if a.Native[i] != n {
			t.Errorf("bucket %d: %d, want %d", i, a.Native[i], n)
		}
	}
}

// BenchmarkObserve is beside what a classic histogram alone costs.
func BenchmarkObserve(b *testing.B) {
	random := rand.New(rand.NewPCG(5, 6))
	for name, median := range map[string]time.Duration{"1ms": time.Millisecond, "100ms": 100 * time.Millisecond} {
		durations := make([]time.Duration, 1024)
		for i := range durations {
			durations[i] = time.Duration(math.Exp(random.NormFloat64()) * float64(median))
		}
		b.Run("classic-alone/"+name, func(b *testing.B) {
			counts, sum := make([]uint64, len(bounds)+1), time.Duration(0)
			for n := 0; b.Loop(); n++ {
				d, i := durations[n%1024], 0
				for i < len(bounds) && d > bounds[i] {
					i++
				}
				counts[i]++
				sum += d
			}
			_ = sum
		})
		b.Run("both/"+name, func(b *testing.B) {
			tally := histogram.NewTally(histogram.NewLayout(low, high, bounds...))
			for n := 0; b.Loop(); n++ {
				tally.Observe(durations[n%1024])
			}
		})
	}
}
