package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"chatbridge/bridge/cluster"
	"chatbridge/bridge/requirements"
	"chatbridge/source/postgres/dial"
)

// database asks which database this configuration is of; the answer is zero where that is
// not known.
func (r *run) database(ctx context.Context) (of cluster.History) {
	pg := r.cfg.Source.Postgres
	if pg.URL == "" || r.spec == nil {
		return of // reported above
	}
	conn, _ := connect(ctx, "source.postgres.url", pg.URL, r.cfg)
	if conn == nil {
		return of // database.connect says why, and the source with it
	}
	defer dial.Close(ctx, conn)
	system, oid, err := requirements.Database(ctx, conn)
	if err != nil {
		r.fail("cluster.database", "source.postgres.url", err.Error(), "a bridge that does not lead follows no leader: it cannot tell whether that is of its database", requirements.DatabaseRemedy)
		return of
	}
	// Without an answer nothing is known of the reader, which cluster.bridges does without.
	var application string
	if conn.QueryRow(ctx, `select a.application_name from pg_replication_slots s join pg_stat_activity a on a.pid = s.active_pid where s.slot_name = $1 and s.database = current_database()`, pg.Slot).Scan(&application) == nil {
		r.slotReader, _ = dial.ParseBridge("chatbridge", application)
	}
	return cluster.History{System: system, Database: oid}
}

// cluster asks the bridges under the cluster's name to identify themselves, and compares their
// settings with this configuration. of is the configuration's database, zero if unknown.
func (r *run) cluster(ctx context.Context, of cluster.History) {
	c := r.cfg.Cluster
	others, err := cluster.Ask(ctx, c.RedisURL.Reveal(), c.Name, of)
	if err != nil {
		r.warn("cluster.bridges", "", err.Error(), "this check cannot tell whether the other bridges are of the same database and have the same settings, and where they are", cluster.Remedy(err))
		return
	}
	if !of.IsZero() {
		r.others(&others)
	}
	r.addresses(ctx, append(others.Same, others.Unknown...))
}

func (r *run) others(o *cluster.Others) {
	name, well := r.cfg.Cluster.Name, true
	warn := func(id, object, what, meaning, fix string) {
		well = false
		r.warn(id, object, what, meaning, fix)
	}
	for i := range o.Foreign {
		warn("cluster.foreign", "cluster.name", fmt.Sprintf("the bridge %s has the cluster.name %s and another database", o.Foreign[i].About.Name, name),
			"the two are kept apart, and are no cluster", cluster.NameRemedy)
	}
	mine := cluster.About{Fingerprints: requirements.Alike(r.cfg, r.spec, cluster.DatabaseNumber(r.cfg.Cluster.RedisURL.Reveal()))}
	names := make([]string, 0, len(o.Same))
	for i := range o.Same {
		p := &o.Same[i]
		names = append(names, p.About.Name)
		for _, d := range mine.Differences(&p.About) {
			warn("cluster.alike", d.Setting, fmt.Sprintf("the bridge %s has %q, and this configuration has %q", p.About.Name, d.There, d.Here),
				meaningOf(d.Setting), "give all bridges of the cluster the same "+d.Setting)
		}
	}
	for _, address := range o.Outdated {
		warn("cluster.version", "", fmt.Sprintf("the bridge %s writes format %d to Redis, and this version %d", cluster.Whereabouts(address), o.Format, cluster.FormatVersion),
			"the two do not understand each other: only those of the version that leads serve", "run the same version of the bridge on all nodes of the cluster")
	}
	if r.slotReader.Joined(dial.Bridge{Cluster: name}) && !slices.ContainsFunc(slices.Concat(o.Same, o.Unknown), func(p cluster.Peer) bool { return r.slotReader.Is(p.About.Name) }) && len(o.Outdated) == 0 {
		elsewhere := cluster.Elsewhere(r.slotReader.String())
		well = false
		r.fail("cluster.bridges", "cluster.redis_url", elsewhere.Error(), "a bridge with this configuration hears no leader, and serves nobody", cluster.Remedy(elsewhere))
	}
	switch {
	case !well:
	case len(names) == 0:
		r.ok("cluster.bridges", "", "no other bridge of the cluster %s lives", name)
	default:
		r.ok("cluster.bridges", "", "the other bridges of the cluster %s are of the same database and have the same settings: %s", name, strings.Join(names, ", "))
	}
}

// meaningOf returns the consequence of different values of a setting.
func meaningOf(setting string) string {
	switch section, _, _ := strings.Cut(setting, "."); {
	case section == "cluster":
		return "what one leads is not heard by the other, which serves nobody"
	case section == "source":
		return "each reads the database by itself: more than one leads"
	case section == "auth":
		return "a client is admitted by one bridge and refused by another"
	case setting == "replay.window":
		return "how long clients may be away depends on the bridge"
	}
	return "clients get other events when another bridge leads, or by which one they are caught up"
}
