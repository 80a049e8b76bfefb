package console

import (
	"math"
	"time"

	"chatbridge/bridge/ops"
)

// commitToClient is how long after its commit an event was written to a client, for the
// share q of the events between two Snapshots: commit to publication plus publication to the
// socket. Of the sum of two the quantiles are not known; their sum is at least as large
// wherever a slow event is not made up for by a fast write. NaN where nothing was published.
func commitToClient(before, now *ops.Snapshot, q float64) float64 {
	b, n := &before.Pipeline.Delay, &now.Pipeline.Delay
	publish := quantile(q, n.Bounds, since(b.Counts, n.Counts))
	if math.IsNaN(publish) {
		return publish
	}
	write := quantile(q, now.Sockets.Latency.Bounds, since(before.Sockets.Latency.Counts, now.Sockets.Latency.Counts))
	if math.IsNaN(write) {
		return publish // to nobody
	}
	return publish + write
}

// since are the counts that were added.
func since(before, now []uint64) []uint64 {
	added := make([]uint64, len(now))
	for i, n := range now {
		added[i] = n
		if i < len(before) {
			added[i] -= min(before[i], n)
		}
	}
	return added
}

// quantile interpolates within the bucket, as Prometheus's histogram_quantile does; counts
// has one more element than bounds. What is above the last bound counts as it. NaN for no
// counts.
func quantile(q float64, bounds []time.Duration, counts []uint64) float64 {
	all := uint64(0)
	for _, n := range counts {
		all += n
	}
	if all == 0 || len(bounds) == 0 {
		return math.NaN()
	}
	rank, sum := q*float64(all), 0.0
	for i, n := range counts {
		if i == len(bounds) {
			break
		}
		if sum+float64(n) >= rank && n > 0 {
			lower := 0.0
			if i > 0 {
				lower = bounds[i-1].Seconds()
			}
			return lower + (bounds[i].Seconds()-lower)*(rank-sum)/float64(n)
		}
		sum += float64(n)
	}
	return bounds[len(bounds)-1].Seconds()
}
