package metrics

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// Collector shows a Snapshot that it takes anew at each scrape. Safe for
// concurrent use if the function that it takes it with is.
type Collector struct {
	take     func() Snapshot
	families []family
}

// NewCollector returns a Collector of what take returns.
func NewCollector(take func() Snapshot) *Collector {
	return &Collector{take, slices.Concat(
		daemonFamilies(), sourceFamilies(), postgresFamilies(), realtimeFamilies(),
		eventFamilies(), mappingFamilies(), clientFamilies(), authFamilies(), transportFamilies(),
		replayFamilies(), gatewayFamilies(), logFamilies(),
	)}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range c.families {
		ch <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	s := c.take()
	for _, f := range c.families {
		f.collect(&s, ch)
	}
}
