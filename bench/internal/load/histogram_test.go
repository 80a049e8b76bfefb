package load

import (
	"testing"
	"time"
)

func TestBucketsMeet(t *testing.T) {
	for i := range 30 << subBits {
		if got := bucket(lower(i)); got != i {
			t.Fatalf("bucket(lower(%d)) = %d", i, got)
		}
		if i > 0 && bucket(lower(i)-1) != i-1 {
			t.Fatalf("bucket(%d) = %d, want %d", lower(i)-1, bucket(lower(i)-1), i-1)
		}
	}
}

func TestQuantile(t *testing.T) {
	var h Histogram
	for i := range 1000 {
		h.Add(time.Duration(i) * time.Millisecond)
	}
	for q, want := range map[float64]time.Duration{0.5: 500 * time.Millisecond, 0.99: 990 * time.Millisecond} {
		if got := h.Quantile(q); got < want || got > want*104/100 {
			t.Errorf("Quantile(%v) = %v, want %v to 3 %%", q, got, want)
		}
	}
}
