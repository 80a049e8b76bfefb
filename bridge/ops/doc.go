// Package ops is the operator's side of the daemon: what is measured and how it
// is shown, whether clients are well served, and the proof of life for the
// service manager.
//
// Every other package counts for itself and returns its counters from a Stats
// method. The daemon gathers them in one place into a Snapshot, which is
// rendered twice: as the JSON of /status (status.go)
// and as the Prometheus metrics of /metrics (metrics_*.go); the operator's page, package
// console, shows it once more. A new counter is a
// field of its owner's Stats and one entry where it is shown; a test fails for a
// numeric field that is in no metric and has no reason not to be.
//
// The files:
//
//	snapshot.go      Snapshot, all that is shown, as of one moment
//	status.go        /status: the keys of the document and their values
//	statusline.go    the one line of `systemctl status`
//	cluster_others.go bridges of another database, or with other settings
//	metrics.go       /metrics: the handler and the collector
//	metrics_*.go     the metrics, by subject; docs/metrics.md is written from them by a test
//	metric_family.go how a metric is declared: counter, gauge, histogram …
//	health.go        Health of the source, Readiness: the answers of /healthz and /readyz
//	admin.go         the handler of the admin listener, and the probes
//	admintoken.go    WrongTokens: wrong values of admin.token are counted, logged and slowed
//	watchdog.go      what systemd's watchdog asks
//	handlercalls.go  whether the pipeline returns from its calls
//	warnings.go      what /status lists under warnings
//
// Names of metrics start with bridge_, have base units (seconds, bytes), and end
// in _total where they count. Every label has few, fixed values: reasons, kinds,
// states and the mapping's tables, never a workspace, user or address. Past 64
// values of one label, the rest is summed as "other".
//
// It is the one package that imports Prometheus; a registry belongs to its
// handler, nothing is registered globally. It starts no goroutine and holds no
// lock while it calls into another package. It must not import bridge, which
// imports it.
package ops
