package load

import (
	"math/bits"
	"time"
)

// subBits is the number of buckets of a power of two, as a power of two: 32,
// so a quantile is exact to 3 %.
const subBits = 5

// Histogram counts durations in microseconds, in buckets of 3 %. The zero
// value is empty and ready.
type Histogram struct {
	counts [40 << subBits]uint64
	n      uint64
}

// Add counts one duration; a negative one counts as zero.
func (h *Histogram) Add(d time.Duration) {
	us := uint64(max(0, d) / time.Microsecond)
	h.counts[min(bucket(us), len(h.counts)-1)]++
	h.n++
}

// N is how many were counted.
func (h *Histogram) N() uint64 { return h.n }

// Quantile is the duration that the share q, 0 to 1, of those counted does
// not exceed; zero when empty.
func (h *Histogram) Quantile(q float64) time.Duration {
	want := uint64(q * float64(h.n))
	var seen uint64
	for i, n := range h.counts {
		seen += n
		if seen > want {
			return time.Duration(lower(i+1)) * time.Microsecond
		}
	}
	return 0
}

// bucket is the bucket of v: the values below 32 have one each, each power of
// two above has 32.
func bucket(v uint64) int {
	shift := max(0, bits.Len64(v)-subBits-1)
	return shift<<subBits + int(v>>shift)
}

// lower is the least value of bucket i.
func lower(i int) uint64 {
	if i < 2<<subBits {
		return uint64(i)
	}
	shift := i>>subBits - 1
	return uint64(i-shift<<subBits) << shift
}
