//go:build linux

package main

import (
	"context"
	"time"
)

const (
	latencyClients = 100
	latencyRate    = 50
	latencyTime    = 8 * time.Second
	rateClients    = 10
	rateTime       = 3 * time.Second
	rateLimit      = 250 * time.Millisecond
)

// latency: 50 inserts a second, 100 clients, from before the insert to each
// client.
func (st *stage) latency(ctx context.Context, name string, r *results) error {
	c, err := st.connect(ctx, latencyClients, 0, 1)
	if err != nil {
		return err
	}
	defer c.close()
	n := int(latencyTime.Seconds() * latencyRate)
	for i := range n {
		if err := insertRows(ctx, st.pool, i, 1, time.Now()); err != nil {
			return err
		}
		time.Sleep(time.Second / latencyRate)
	}
	if err := c.await(ctx, int64(n*latencyClients)); err != nil {
		return err
	}
	p50, p99 := c.quantiles()
	r.add(name, "latency of an insert, 100 clients, p50 ms", ms(p50))
	r.add(name, "latency of an insert, 100 clients, p99 ms", ms(p99))
	return nil
}

// rate looks for the highest rate of rows at which 10 clients get all with
// p99 at most 250 ms: it goes up by a quarter until that fails.
func (st *stage) rate(ctx context.Context, name string, r *results) error {
	c, err := st.connect(ctx, rateClients, 0, 7)
	if err != nil {
		return err
	}
	defer c.close()
	best, sent := 0.0, int64(0)
	for rate := 4000.0; rate < 200_000; rate *= 1.25 {
		n, took, err := st.insertAt(ctx, rate)
		if err != nil {
			return err
		}
		sent += int64(n * rateClients)
		if err := c.await(ctx, sent); err != nil {
			return err
		}
		_, p99 := c.quantiles()
		achieved := float64(n) / took.Seconds()
		if p99 > rateLimit || achieved < 0.95*rate {
			break
		}
		best = achieved
	}
	r.add(name, "rows/s to 10 clients, p99 ≤ 250 ms", best)
	return nil
}

// insertAt inserts at a rate for a while, a statement every ten milliseconds,
// each stamped with the time at which it was due.
func (st *stage) insertAt(ctx context.Context, rate float64) (n int, took time.Duration, err error) {
	const step = 10 * time.Millisecond
	start := time.Now()
	for i := 0; ; i++ {
		due := start.Add(time.Duration(i) * step)
		if due.Sub(start) >= rateTime {
			return n, time.Since(start), nil
		}
		time.Sleep(time.Until(due))
		rows := int(rate*step.Seconds()*float64(i+1)) - n
		if err := insertRows(ctx, st.pool, i, rows, due); err != nil {
			return n, 0, err
		}
		n += rows
	}
}

// burst: many rows in one transaction to 10 clients, some of which may never
// read.
func (st *stage) burst(ctx context.Context, name string, rows, stuck int, r *results) error {
	c, err := st.connect(ctx, rateClients-stuck, stuck, 1000)
	if err != nil {
		return err
	}
	defer c.close()
	if err := insertRows(ctx, st.pool, 0, rows, time.Now()); err != nil {
		return err
	}
	committed := time.Now()
	if err := c.await(ctx, int64(rows*(rateClients-stuck))); err != nil {
		return err
	}
	took := time.Since(committed)
	peak, err := st.server.peak()
	if err != nil {
		return err
	}
	suffix := ""
	if stuck > 0 {
		suffix = ", 3 of 10 never read"
	}
	r.add(name, "rows in one transaction: commit to last delivery, s"+suffix, took.Seconds())
	r.add(name, "peak memory in that burst, MB"+suffix, peak)
	return nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
