package ops

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"chatbridge/internal/histogram"
)

// prefix begins every name.
const prefix = "bridge_"

// maxValues bounds the values of a label that come from a map.
const maxValues = 64

// other is the label value for the sum of what exceeds maxValues.
const other = "other"

// section is the metrics of one subject, as docs/metrics.md lists them. key is the setting that
// enables them, "" if they are always there.
type section struct {
	title, key string
	families   []family
}

// family is one metric: its description, and how its samples are read from a
// Snapshot.
type family struct {
	kind, name, help string
	labels           []string
	// where is the condition under which the metric exists, "" for its section's.
	where   string
	desc    *prometheus.Desc
	collect func(*Snapshot, chan<- prometheus.Metric)
}

// emit adds one sample; labels are the label values in the family's order.
type emit func(value float64, labels ...string)

func newFamily(kind prometheus.ValueType, name, help string, labels []string, read func(*Snapshot, emit)) family {
	f := described("gauge", name, help, labels)
	if kind == prometheus.CounterValue {
		f.kind = "counter"
	}
	f.collect = func(s *Snapshot, ch chan<- prometheus.Metric) {
		read(s, func(v float64, values ...string) {
			ch <- prometheus.MustNewConstMetric(f.desc, kind, v, values...)
		})
	}
	return f
}

func described(kind, name, help string, labels []string) family {
	name = prefix + name
	return family{kind: kind, name: name, help: help, labels: labels, desc: prometheus.NewDesc(name, help, labels, nil)}
}

func gauge(name, help string, read func(*Snapshot) float64) family {
	return gauges(name, help, nil, func(s *Snapshot, e emit) { e(read(s)) })
}

func gauges(name, help string, labels []string, read func(*Snapshot, emit)) family {
	return newFamily(prometheus.GaugeValue, name, help, labels, read)
}

func counter(name, help string, read func(*Snapshot) uint64) family {
	return counters(name, help, nil, func(s *Snapshot, e emit) { e(float64(read(s))) })
}

func counters(name, help string, labels []string, read func(*Snapshot, emit)) family {
	return newFamily(prometheus.CounterValue, name, help, labels, read)
}

// countersBy is a counter with one label whose values are the keys of a map.
func countersBy(name, help, label string, read func(*Snapshot) map[string]uint64) family {
	return counters(name, help, []string{label}, func(s *Snapshot, e emit) { e.byKey(read(s)) })
}

// byKey emits a map's counts by their keys, in order; past maxValues as other.
func (e emit) byKey(counts map[string]uint64) {
	var rest uint64
	for i, key := range slices.Sorted(maps.Keys(counts)) {
		if i < maxValues && key != other {
			e(float64(counts[key]), key)
		} else {
			rest += counts[key]
		}
	}
	if rest > 0 {
		e(float64(rest), other)
	}
}

// emitStates emits 1 for the state that is and 0 for the others of all, so that
// an alert can ask for one by name. The state is the last label, after labels.
func emitStates[S ~string](e emit, is S, all []S, labels ...string) {
	if !slices.Contains(all, is) {
		e(1, append(labels, string(is))...)
	}
	for _, s := range all {
		e(truth(s == is), append(labels, string(s))...)
	}
}

// timestamp is a gauge of Unix time; it has no sample for the zero time.
func timestamp(name, help string, read func(*Snapshot) time.Time) family {
	return gauges(name, help, nil, func(s *Snapshot, e emit) {
		if t := read(s); !t.IsZero() {
			e(float64(t.UnixMilli()) / 1e3)
		}
	})
}

// without returns total less a part of it that was counted a moment later.
func without(total, part uint64) float64 { return float64(total - min(total, part)) }

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// histogramOf is a classic and a native histogram in one. Prometheus's text shows the
// classic one; its protobuf both, and a server that takes native ones takes that.
func histogramOf(name, help string, read func(*Snapshot) histogram.Snapshot) family {
	f := described("histogram", name, help, nil)
	f.collect = func(s *Snapshot, ch chan<- prometheus.Metric) { ch <- bothHistograms{f.desc, read(s)} }
	return f
}

type bothHistograms struct {
	desc *prometheus.Desc
	histogram.Snapshot
}

// Desc implements prometheus.Metric.
func (h bothHistograms) Desc() *prometheus.Desc { return h.desc }

// Write implements prometheus.Metric.
func (h bothHistograms) Write(out *dto.Metric) error {
	buckets := make(map[float64]uint64, len(h.Bounds))
	var below uint64
	for i, bound := range h.Bounds {
		below += h.Counts[i]
		buckets[bound.Seconds()] = below
	}
	classic, err := prometheus.NewConstHistogram(h.desc, h.Count, h.Sum.Seconds(), buckets)
	if err != nil {
		return err
	}
	native, err := prometheus.NewConstNativeHistogram(
		h.desc, h.Count, h.Sum.Seconds(), h.Native, nil, h.Zero, histogram.Schema, h.ZeroUpTo, time.Time{},
	)
	if err != nil {
		return err
	}
	var n dto.Metric
	if err := errors.Join(classic.Write(out), native.Write(&n)); err != nil {
		return err
	}
	// The zero time would be a date of its own to whoever reads it.
	n.Histogram.CreatedTimestamp = nil
	n.Histogram.Bucket = out.Histogram.Bucket
	out.Histogram = n.Histogram
	return nil
}

// when makes the families emit nothing unless the part that they show is
// present.
func when(present func(*Snapshot) bool, families ...family) []family {
	guarded := make([]family, len(families))
	for i, f := range families {
		guarded[i] = f
		guarded[i].collect = func(s *Snapshot, ch chan<- prometheus.Metric) {
			if present(s) {
				f.collect(s, ch)
			}
		}
	}
	return guarded
}

// there sets the condition under which the families exist.
func there(where string, families ...family) []family {
	for i := range families {
		families[i].where = where
	}
	return families
}
