package postgres_test

import (
	"runtime"
	"sync/atomic"

	"chatbridge/source"
)

// counting is a handler that counts rows and looks at the memory now and then.
type counting struct {
	rows    *atomic.Int64
	most    *atomic.Uint64
	commits chan int64
}

func (c *counting) Begin(source.Tx) error { return nil }

func (c *counting) Change(*source.Change) error {
	if c.rows.Add(1)%25_000 == 0 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if m.HeapAlloc > c.most.Load() {
			c.most.Store(m.HeapAlloc)
		}
	}
	return nil
}

func (c *counting) Commit(source.Tx) error {
	c.commits <- c.rows.Load()
	return nil
}

func (c *counting) Gap(source.Gap) error { return nil }
