package reconcile_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"chatbridge/source/ledgerfile"
	"chatbridge/source/readback"
	"chatbridge/source/reconcile"
)

// BenchmarkKept is what a file costs whom it does not keep waiting: a change of a row
// that is remembered, without a file and with one that is being written.
func BenchmarkKept(b *testing.B) {
	const rows = 50_000
	file := func(b *testing.B) *ledgerfile.File {
		return ledgerfile.New(ledgerfile.Options{Path: filepath.Join(b.TempDir(), "ledger"), Identity: "x", Tables: []string{"public.messages"}})
	}
	report := func(b *testing.B, f *ledgerfile.File) {
		b.Helper()
		if s := f.Stats(); s.Rows > 0 {
			b.ReportMetric(float64(s.Bytes)/float64(s.Rows), "file-B/row")
		}
	}
	sketches := make([]reconcile.Sketch, rows)
	for i := range sketches {
		sketches[i] = row(fmt.Sprintf("%08x-0000-4000-8000-%012x", uint32(i)*2654435761, i), int64(i+1)*1e6, "delivered")
	}
	for _, kept := range []bool{false, true} {
		b.Run(fmt.Sprintf("ledger/file=%v", kept), func(b *testing.B) {
			tb := reconcile.NewTable(readback.Table{Schema: "public", Name: "messages"}, 2*rows)
			if kept {
				f := file(b)
				k := reconcile.Keep(f, []*reconcile.Table{tb}, 0, time.Now)
				k.Load(b.Context())
				defer func(stop func()) { stop(); report(b, f) }(k.Start(b.Context()))
			}
			i := 0
			for b.Loop() {
				tb.Ledger.Record(sketches[i%rows], uint64(i+1), 0)
				i++
			}
		})
	}
}

// BenchmarkKeptDigests is the same of digests.
func BenchmarkKeptDigests(b *testing.B) {
	const rows = 50_000
	for _, kept := range []bool{false, true} {
		b.Run(fmt.Sprintf("file=%v", kept), func(b *testing.B) {
			d := reconcile.NewDigests(2 * rows)
			if kept {
				f := ledgerfile.New(ledgerfile.Options{Path: filepath.Join(b.TempDir(), "ledger"), Identity: "x", Tables: []string{"t"}})
				d.Keep(func(key string) { f.Mark(0, key) }, f.MarkAll)
				f.Load(b.Context(), func(string, string, []byte) {})
				stop := f.Start(b.Context(), digestRows{d})
				defer func() {
					stop()
					if s := f.Stats(); s.Rows > 0 {
						b.ReportMetric(float64(s.Bytes)/float64(s.Rows), "file-B/row")
					}
				}()
			}
			i := uint64(0)
			for b.Loop() {
				d.Put((i%rows)*0x9E3779B97F4A7C15, i<<1|2, true, int64(i+1))
				i++
			}
		})
	}
}

type digestRows struct{ d *reconcile.Digests }

func (r digestRows) Keys(_ string, fn func(string, int64))               { r.d.Keys(fn) }
func (r digestRows) Row(dst []byte, _, key string) ([]byte, int64, bool) { return r.d.Row(dst, key) }
func (r digestRows) Header(int64) []byte                                 { return nil }
