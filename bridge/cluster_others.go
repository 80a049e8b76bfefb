package bridge

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"chatbridge/bridge/cluster"
	"chatbridge/bridge/ops"
	"chatbridge/bridge/requirements"
	"chatbridge/configs"
	"chatbridge/mapping"
	"chatbridge/source/postgres/dial"
)

// historyNow returns the History of this bridge's database, for connections to Redis. While no
// leader is heard, the History may have changed and counts as doubtful.
func (s *clusterSource) historyNow(ctx context.Context) (cluster.History, error) {
	e := s.node.EdgeStats()
	return s.history.of(ctx, s.node.Leader() == nil && !e.Connected && e.Error != "")
}

// about returns what this bridge announces of itself. A leader adds when its server was
// started: a server that was copied with its files has the same History, and only two bridges
// that lead at once reveal that.
func (s *clusterSource) about() cluster.About {
	a := cluster.About{Name: processName(), Leads: s.node.Leader() != nil, Fingerprints: s.others.fingerprints(), Secret: s.others.secret}
	if a.Leads && a.Fingerprints != nil {
		if at := s.place(); at != nil {
			a.Fingerprints = maps.Clone(a.Fingerprints)
			a.Fingerprints["source.postgres.url"] = "a server that was started " + at.Server
		}
	}
	return a
}

// whyNoLeader adds to the health of an edge that hears no leader what is known of the cause.
func (s *clusterSource) whyNoLeader(h *ops.Health) {
	if err := s.history.error(); err != nil {
		h.Reason, h.Remedy = err.Error(), cluster.Remedy(err)
	}
	if s.inner != nil {
		own := s.inner.Health()
		h.Rivals = own.Rivals
		s.cannotLead(h)
		if own.State == ops.StateStandby && own.Reason != "" {
			h.Reason += ", and this bridge cannot lead: " + own.Reason
		}
		if len(own.Rivals) > 0 {
			h.Remedy = rivalsRemedy
		}
	}
	if o := s.bus.Others(); len(o.Outdated) > 0 {
		h.Reason += "; a bridge of another version is there: " + cluster.Whereabouts(o.Outdated[0])
		h.Remedy = outdatedRemedy
	}
}

// unheard returns an error if another bridge of the cluster has the slot and was never heard on
// this Redis, nil where that is not known. A bridge whose beats were heard here uses this
// Redis, and is silent for another reason.
func (s *clusterSource) unheard() error {
	if s.inner == nil {
		return nil
	}
	reader := s.inner.stream.Stats().Reader
	if !reader.Joined(dial.Bridge{Cluster: s.cluster}) {
		return nil
	}
	if b := s.node.EdgeStats().Beat; b != nil && reader.Is(b.Leader) {
		return nil
	}
	return cluster.Elsewhere(reader.String())
}

const (
	rivalsRemedy   = "give all bridges of this slot the same cluster.name and cluster.redis_url, or each cluster a source.postgres.slot of its own"
	outdatedRemedy = "run the same version of the bridge on all nodes of the cluster: end those of the other version, and one of this leads"
)

// pollInterval is how often a bridge compares itself with the others.
const pollInterval = time.Second

// otherBridges compares this bridge with those that it hears under its cluster.name.
type otherBridges struct {
	config func() *configs.Config // as it is now
	spec   *mapping.Spec
	secret string
	log    *slog.Logger

	mu     sync.Mutex
	of     *configs.Config // that alike was computed from
	alike  map[string]string
	others cluster.Others
	mine   cluster.About
	// seen is what the last update found about other bridges, by key.
	seen map[string]stranger
}

// stranger is one finding about another bridge, such as a setting that differs.
type stranger struct {
	what  string
	since time.Time // it was first seen
}

func newOtherBridges(config func() *configs.Config, spec *mapping.Spec, secret string, log *slog.Logger) *otherBridges {
	return &otherBridges{config: config, spec: spec, secret: secret, log: log}
}

// fingerprints returns those of the settings that all bridges of the cluster must have alike;
// nil before they were computed. The map must not be changed.
func (o *otherBridges) fingerprints() map[string]string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.alike
}

// run compares this bridge with the others until ctx ends, and returns nil.
func (o *otherBridges) run(ctx context.Context, bus *cluster.Bus, about func() cluster.About) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		if cfg := o.config(); cfg != o.of {
			alike := requirements.Alike(cfg, o.spec, cluster.DatabaseNumber(cfg.Cluster.RedisURL.Reveal()))
			o.mu.Lock()
			o.of, o.alike = cfg, alike
			o.mu.Unlock()
			bus.Announce()
		}
		o.update(ctx, bus.Others(), about())
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// update notes which bridges there are, and logs what is new about them or has ended.
func (o *otherBridges) update(ctx context.Context, others cluster.Others, mine cluster.About) {
	o.mu.Lock()
	o.others, o.mine = others, mine
	before := o.seen
	o.seen = make(map[string]stranger, len(before))
	now, fresh := time.Now(), map[string]bool{}
	for key, what := range o.strangers() {
		since := now
		if earlier, known := before[key]; known {
			since = earlier.since
		} else {
			fresh[key] = true
		}
		o.seen[key] = stranger{what, since}
	}
	var ended []stranger
	for key, s := range before {
		if _, still := o.seen[key]; !still {
			ended = append(ended, s)
		}
	}
	o.mu.Unlock()
	for _, s := range ended {
		o.log.LogAttrs(ctx, slog.LevelInfo, "what was told of another bridge has ended: it is gone, or has been corrected",
			slog.String("of", s.what), slog.Duration("after", now.Sub(s.since)))
	}
	for i := range others.Foreign {
		if p := &others.Foreign[i]; fresh[foreignKey(p)] {
			o.log.LogAttrs(ctx, slog.LevelWarn, "a bridge of another database has the cluster.name of this one; nothing of it is taken",
				slog.String("other", p.About.Name), slog.String("database", p.Of.String()), slog.String("remedy", cluster.NameRemedy))
		}
	}
	for i := range others.Same {
		p := &others.Same[i]
		for _, d := range mine.Differences(&p.About) {
			if fresh[differenceKey(p, d)] {
				o.log.LogAttrs(ctx, slog.LevelWarn, "another bridge of the cluster has a setting that differs from this one's",
					slog.String("other", p.About.Name), slog.String("setting", d.Setting), slog.String("here", d.Here), slog.String("there", d.There),
					slog.String("remedy", "give all bridges of the cluster the same "+d.Setting))
			}
		}
	}
	for _, address := range others.Outdated {
		if fresh[outdatedKey(address)] {
			o.log.LogAttrs(ctx, slog.LevelWarn, "a bridge of another version has the cluster.name of this one; the two do not understand each other",
				slog.String("other", cluster.Whereabouts(address)), slog.Int("format", others.Format), slog.Int("formatHere", cluster.FormatVersion), slog.String("remedy", outdatedRemedy))
		}
	}
}

func foreignKey(p *cluster.Peer) string                          { return "foreign " + p.ID }
func outdatedKey(address string) string                          { return "outdated " + address }
func differenceKey(p *cluster.Peer, d cluster.Difference) string { return p.ID + " " + d.Setting }

// strangers returns the findings about other bridges in words, by key. o.mu is held.
func (o *otherBridges) strangers() map[string]string {
	all := map[string]string{}
	for i := range o.others.Foreign {
		p := &o.others.Foreign[i]
		all[foreignKey(p)] = p.About.Name + ": database " + p.Of.String()
	}
	for i := range o.others.Same {
		p := &o.others.Same[i]
		for _, d := range o.mine.Differences(&p.About) {
			all[differenceKey(p, d)] = p.About.Name + ": " + d.Setting
		}
	}
	for _, address := range o.others.Outdated {
		all[outdatedKey(address)] = cluster.Whereabouts(address) + ": another version"
	}
	return all
}

// measure adds the findings of the last update to c, and their warnings to the Snapshot.
func (o *otherBridges) measure(c *ops.Cluster, to *ops.Snapshot) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range o.others.Foreign {
		p := &o.others.Foreign[i]
		c.Foreign = append(c.Foreign, ops.ForeignBridge{Bridge: p.About.Name, Database: p.Of.String(), Since: o.seen[foreignKey(p)].since})
	}
	for i := range o.others.Same {
		p := &o.others.Same[i]
		for _, d := range o.mine.Differences(&p.About) {
			c.Differing = append(c.Differing, ops.DifferingBridge{
				Bridge: p.About.Name, Setting: d.Setting, Here: d.Here, There: d.There, Since: o.seen[differenceKey(p, d)].since,
				BothLead: o.mine.Leads && p.About.Leads,
			})
		}
	}
	for _, address := range o.others.Outdated {
		c.Outdated = append(c.Outdated, cluster.Whereabouts(address))
	}
	to.Warnings = append(to.Warnings, c.Strangers()...)
}
