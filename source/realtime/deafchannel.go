package realtime

import (
	"time"

	"chatbridge/source/reconcile"
)

// noteMissed counts a row that had to be read back although its channel was
// subscribed all the time in which the row can have changed: since a pass
// began that found it as published.
func (r *reconciler) noteMissed(row reconcile.Row) {
	since := r.lastAny
	if recent := r.s.clock.Earliest().Add(-r.s.opts.RecentWindow).UnixMicro(); row.Sketch.At < recent {
		since = r.lastFull
	}
	t := r.s.tables.of(row.Table)
	live := t.liveSince.Load()
	if since == 0 || live == 0 || live >= int64(since) {
		return
	}
	r.s.stats.count(r.s.stats.gaps, gapMissed)
	r.s.stats.lastMissed.Store(time.Now().UnixNano())
	r.compareWindow()
	if t.lastEvent.Load() < int64(since) {
		r.missed[t]++
	}
}

// afterMissed is how many intervals lie between two comparisons of the window for what
// the stream misses, while it goes on missing.
const afterMissed = 4

// compareWindow plans a comparison of the whole window, because the stream has lost
// something without a sign, and with it perhaps statuses of older messages: at once, or
// where one has just been done for that, in a while.
func (r *reconciler) compareWindow() {
	wait := time.Duration(0)
	if r.lastMissed != 0 {
		wait = max(r.lastMissed+afterMissed*r.s.opts.ReconcileInterval-r.s.clock.Elapsed(), 0)
	}
	if r.requests.windowWithin(wait) {
		r.lastMissed = r.s.clock.Elapsed() + wait
	}
}

// rejoinDeaf rejoins the channels that are subscribed but deliver nothing: since
// the last pass rows changed and the stream sent none of them. Nothing else shows
// it, because heartbeats and the channel go on after the server's worker behind
// them died. If a channel still delivers nothing after the rejoin, the
// connection is closed.
func (r *reconciler) rejoinDeaf() {
	for t, n := range r.missed {
		if n == 0 {
			continue
		}
		heard := t.lastEvent.Load() > t.deafAt.Load()
		redial := t.deafAt.Load() != 0 && !heard
		t.deafAt.Store(int64(r.s.clock.Elapsed()))
		t.deaf.Add(1)
		r.s.log.Warn("channel is subscribed but delivers nothing; joining it again",
			"table", t.Name, "missed", n, "redial", redial)
		select {
		case r.s.commands <- command{table: t, redial: redial, reason: gapDeaf}:
		default:
		}
	}
}
