// Package metrics shows the daemon's counters to Prometheus. It is the one
// package that knows Prometheus: all others count with atomics and offer a
// snapshot, which Snapshot collects and Collector translates at each scrape.
//
// Names start with bridge_, have base units (seconds, bytes), and end in
// _total where they count. Every label has few, fixed values: reasons, kinds,
// states and the mapping's tables, never a workspace, user or address. Should
// a label ever have more than 64 values, the rest is summed as "other".
//
// A registry belongs to its Handler; nothing is registered globally. The
// package must not import bridge, which imports it.
package metrics
