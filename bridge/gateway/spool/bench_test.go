package spool_test

import (
	"context"
	"strings"
	"testing"

	"chatbridge/bridge/gateway/spool"
)

// BenchmarkKeep keeps webhooks of 2 kB, one after the other, and many at once: the latter
// share their fsyncs.
func BenchmarkKeep(b *testing.B) {
	run := func(b *testing.B) *spool.Spool {
		o := options()
		o.Dir, o.MaxBytes = b.TempDir(), 1<<40
		s, err := spool.New(o)
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.WithoutCancel(b.Context()))
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx, newEngine().deliver) }()
		b.Cleanup(func() {
			cancel()
			<-done
		})
		s.AwaitOpen()
		return s
	}
	body := strings.Repeat("x", 2000)
	b.Run("one by one", func(b *testing.B) {
		s := run(b)
		for b.Loop() {
			if err := s.Keep(hook("a", body)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("at once", func(b *testing.B) {
		s := run(b)
		b.SetParallelism(64)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := s.Keep(hook("a", body)); err != nil {
					b.Error(err)
				}
			}
		})
	})
}
