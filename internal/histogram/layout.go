package histogram

import (
	"math"
	"math/bits"
	"slices"
	"time"
)

// Schema is that of the native histograms: 2^Schema buckets for each doubling.
const Schema = 3

const perDoubling = 1 << Schema

// Layout is where the cells of a histogram end. It does not change, and may be shared.
type Layout struct {
	classic []time.Duration
	// bounds are the upper bounds of the cells in nanoseconds, inclusive; one more cell is
	// beyond the last.
	bounds []int64
	// native[i] is the native bucket that has cell i; at first is what counts as zero.
	native []int
	first  int
	// start is the first cell that may have a duration, by its highest bit and those that
	// follow. With six of them it is the right one five times of six.
	start [65 << follow]uint16
}

const follow = 6

// NewLayout returns a Layout with the classic bounds, which ascend, and with native buckets
// from 2^low to 2^high seconds. What is below counts as zero in the native histogram, what is
// above is in one more bucket.
func NewLayout(low, high int, classic ...time.Duration) *Layout {
	l := &Layout{classic: classic, first: low * perDoubling}
	for i := l.first; i <= high*perDoubling; i++ {
		l.bounds = append(l.bounds, upper(i))
	}
	for _, c := range classic {
		l.bounds = append(l.bounds, int64(c))
	}
	slices.Sort(l.bounds)
	l.bounds = slices.Compact(l.bounds)
	bucket := l.first
	for _, bound := range l.bounds {
		for bucket <= high*perDoubling && bound > upper(bucket) {
			bucket++
		}
		l.native = append(l.native, bucket)
	}
	l.native = append(l.native, high*perDoubling+1)
	for key := range l.start {
		n, next := key>>follow, key&(1<<follow-1)
		if n == 0 {
			continue
		}
		smallest := int64(math.MaxInt64)
		if n < 64 {
			smallest = int64((uint64(1<<follow+next) << (63 - follow)) >> (64 - n))
		}
		cell, _ := slices.BinarySearch(l.bounds, smallest)
		l.start[key] = uint16(cell)
	}
	return l
}

// upper returns the largest whole number of nanoseconds in native bucket i, which ends at
// 2^(i/8) seconds.
func upper(i int) int64 {
	return int64(math.Floor(math.Exp2(float64(i)/perDoubling) * float64(time.Second)))
}

// Cells is the number of cells.
func (l *Layout) Cells() int { return len(l.native) }

// Cell returns the cell of d. Below zero, as two clocks that differ may yield, is zero.
func (l *Layout) Cell(d time.Duration) int {
	if d <= 0 {
		return 0
	}
	n := bits.Len64(uint64(d))
	i := int(l.start[n<<follow|int(uint64(d)<<(64-n)>>(63-follow)&(1<<follow-1))])
	for i < len(l.bounds) && int64(d) > l.bounds[i] {
		i++
	}
	return i
}
