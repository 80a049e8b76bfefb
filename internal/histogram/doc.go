// Package histogram counts durations so that two histograms of Prometheus can be shown of
// one count: the classic one, by a few fixed bounds, and the native one, whose buckets grow
// by an eighth of a doubling (schema 3), so that a quantile is right within 5 %.
//
// The cells of a [Layout] end at the bounds of both. So each duration is counted once, in
// the one cell that [Layout.Cell] finds by a table, and what is shown is added up when
// somebody asks. Measured beside a loop over the 17 bounds of a classic histogram alone, as
// it was before: 5 to 7 ns, whatever the duration, in place of 4 for a millisecond and 10
// for a tenth of a second (BenchmarkObserve).
//
// A [Histogram] has one or more writers and any readers, without a lock; a [Tally] is one
// goroutine's.
package histogram
