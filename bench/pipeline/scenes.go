//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"chatbridge/bench/internal/event"
	"chatbridge/bench/internal/results"
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
func (st *stage) latency(ctx context.Context, name string, r *results.Results) error {
	c, err := st.connectLive(ctx, latencyClients)
	if err != nil {
		return err
	}
	defer c.Close()
	n := int(latencyTime.Seconds() * latencyRate)
	got, err := receive(ctx, c, n, 1, func() error {
		for i := range n {
			if err := st.insertRows(ctx, i, 1, event.Now()); err != nil {
				return err
			}
			time.Sleep(time.Second / latencyRate)
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.Add(name, "latency of an insert, 100 clients, p50 ms", ms(got.Latency.Quantile(0.50)))
	r.Add(name, "latency of an insert, 100 clients, p99 ms", ms(got.Latency.Quantile(0.99)))
	return nil
}

// rate looks for the highest rate of rows at which 10 clients get all with
// p99 at most 250 ms: it goes up by an eighth until that fails.
func (st *stage) rate(ctx context.Context, name string, r *results.Results) error {
	c, err := st.connectLive(ctx, rateClients)
	if err != nil {
		return err
	}
	defer c.Close()
	best := 0.0
	for rate := 4000.0; rate < 400_000; rate *= 1.125 {
		n := int(rate * rateTime.Seconds())
		var took time.Duration
		before, err := st.usage(ctx)
		if err != nil {
			return err
		}
		got, err := receive(ctx, c, n, 7, func() (err error) {
			took, err = st.insertAt(ctx, n)
			return err
		})
		if err != nil {
			return err
		}
		after, err := st.usage(ctx)
		if err != nil {
			return err
		}
		p99, achieved := got.Latency.Quantile(0.99), float64(n)/took.Seconds()
		fmt.Fprintf(os.Stderr, "  %6.0f rows/s wanted, %6.0f inserted: p50 %.1f, p99 %.1f ms; cores: %s\n",
			rate, achieved, ms(got.Latency.Quantile(0.5)), ms(p99), after.since(before))
		if p99 > rateLimit || achieved < 0.95*rate {
			break
		}
		best = achieved
	}
	r.Add(name, "rows/s to 10 clients, p99 ≤ 250 ms", best)
	return nil
}

// insertAt inserts n rows in rateTime, a COPY every ten milliseconds, each
// stamped with the time at which it was due.
func (st *stage) insertAt(ctx context.Context, n int) (took time.Duration, err error) {
	const step = 10 * time.Millisecond
	const steps = int(rateTime / step)
	start, clock := time.Now(), event.Now()
	for i := range steps {
		due := time.Duration(i) * step
		time.Sleep(time.Until(start.Add(due)))
		if err := st.copyRows(ctx, i, n*(i+1)/steps-n*i/steps, clock+uint64(due)); err != nil {
			return 0, err
		}
	}
	return max(time.Since(start), rateTime), nil
}

// burst: many rows in one transaction to 10 clients, some of which may never
// read.
func (st *stage) burst(ctx context.Context, name string, rows, stuck int, r *results.Results) error {
	if stuck > 0 {
		silent, err := st.connect(ctx, stuck)
		if err != nil {
			return err
		}
		defer silent.Close()
	}
	c, err := st.connectLive(ctx, rateClients-stuck)
	if err != nil {
		return err
	}
	defer c.Close()
	var committed time.Time
	if _, err := receive(ctx, c, rows, 1000, func() error {
		defer func() { committed = time.Now() }()
		return st.insertRows(ctx, 0, rows, event.Now())
	}); err != nil {
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
	r.Add(name, "rows in one transaction: commit to last delivery, s"+suffix, took.Seconds())
	r.Add(name, "peak memory in that burst, MB"+suffix, peak)
	return nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
