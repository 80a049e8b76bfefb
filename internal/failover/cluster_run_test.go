package failover_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"
)

// fault is something that three bridges, Redis, the database and a load balancer go
// through while clients read.
type fault struct {
	// name is that of the test and of the row in docs/cluster.md.
	name string
	// always: the short form shows it too.
	always bool
	// sitting is how often it is shown in one set-up at most; zero: five times.
	sitting int
	// lasts is about how long it takes, for the estimate; zero: ten seconds.
	lasts   time.Duration
	options clusterOptions
	// large: what is written is more than the window's bounds, so that edges begin anew and
	// clients are given the newest state from the tables, for as long as that takes.
	large bool
	// heavy: it leaves no room on the machine for another one beside it.
	heavy bool
	// gaps: clients may be told that something cannot be given.
	gaps bool
	// before prepares the world, do is the fault itself. What is broken must be repaired
	// when it returns; that the cluster is whole again is awaited. It fails the test where
	// the fault has had no effect.
	before func(c *clusterWorld)
	do     func(c *clusterWorld, round int)
}

func faultNames() []string {
	var names []string
	for _, f := range clusterFaults() {
		names = append(names, f.name)
	}
	return names
}

// setUp is about how long it takes to start a sitting, and to judge it.
const setUp = 20 * time.Second

// weight is about how long a sitting takes from all others.
func (f *fault) weight(rounds int) time.Duration {
	w := setUp + time.Duration(rounds)*cmp.Or(f.lasts, 10*time.Second)
	if f.heavy {
		return w * time.Duration(clusterParallel())
	}
	return w
}

// sittings are how often each sitting shows the fault, to come to so many times.
func (f *fault) sittings(times int) []int {
	var all []int
	for times > 0 {
		n := min(times, cmp.Or(f.sitting, 5))
		all = append(all, n)
		times -= n
	}
	return all
}

// TestClusterFaults shows each fault of a cluster to clients whose histories are
// judged. CLUSTER=full is the long form, with 60 clients and CLUSTER_ROUNDS (10) of
// each, in sittings of which each has servers and clients of its own. CLUSTER_PARALLEL
// (2) sittings go on at a time, because a fault is mostly waited for.
func TestClusterFaults(t *testing.T) {
	if err := clusterReported.start(); err != nil {
		t.Fatal(err)
	}
	// Those that are heavy run before all others, one at a time. They are last here, so that
	// what is planned is known by then.
	faults := clusterFaults()
	for _, f := range slices.Concat(
		slices.DeleteFunc(slices.Clone(faults), func(f fault) bool { return f.heavy }),
		slices.DeleteFunc(slices.Clone(faults), func(f fault) bool { return !f.heavy }),
	) {
		t.Run(f.name, func(t *testing.T) {
			if !clusterLong() {
				if !f.always {
					t.Skip("CLUSTER=full runs it")
				}
				t.Parallel()
				f.show(t, 0, 1)
				return
			}
			shown := clusterReported.shown(f.name)
			sittings := f.sittings(number("CLUSTER_ROUNDS", 10) - shown)
			for _, rounds := range sittings {
				clusterReported.plan(rounds, f.weight(rounds))
			}
			if !f.heavy {
				t.Parallel()
			}
			for _, rounds := range sittings {
				from := shown
				shown += rounds
				t.Run(fmt.Sprintf("%d to %d", from+1, from+rounds), func(t *testing.T) {
					if !f.heavy {
						t.Parallel()
					}
					var row *clusterRow
					defer func() {
						if err := clusterReported.ended(row, rounds, f.weight(rounds)); err != nil {
							t.Error(err)
						}
					}()
					row = f.show(t, from, rounds)
				})
			}
		})
	}
}

// show shows the fault some times, beginning with the one of that number, and judges.
func (f *fault) show(t *testing.T, from, rounds int) *clusterRow {
	began := time.Now()
	c := newClusterWorld(t, f.options)
	if f.before != nil {
		f.before(c)
	}
	prepared := time.Now()
	for i := range rounds {
		pause(time.Second, 2*time.Second)
		f.do(c, from+i)
		c.awaitHealthy()
	}
	shown := time.Now()
	row := c.finishCluster(f, rounds)
	row.Took = time.Since(began)
	t.Logf("set-up %v, %d rounds %v, judging %v", prepared.Sub(began).Round(time.Second), rounds,
		shown.Sub(prepared).Round(time.Second), time.Since(shown).Round(time.Second))
	return row
}

// finishCluster stops the writer, and judges.
func (c *clusterWorld) finishCluster(f *fault, rounds int) *clusterRow {
	c.t.Helper()
	if f.large {
		c.settleLimit = 2 * time.Minute
	}
	v := c.settle(c.writer, c.clients, "r00")
	s := c.clients.Summary()
	truth := c.recorder.Truth()
	bounds := c.bounds(alone)
	// What was committed after a transaction comes after it: as much later as the leader
	// took to read that.
	bounds.CatchUp += c.reading
	bounds.Prompt += c.reading
	j := c.clients.Judge(truth, bounds, false)
	for i, example := range j.Examples {
		if i == maxExamples {
			break
		}
		c.t.Log(example)
	}
	row := newClusterRow(f.name, rounds, c.size.clients, s, v, j)
	c.t.Logf("%s, %d times: %v; %v; %v; %d connections more, %d restored", f.name, rounds, v, s, j, row.Reconnects, row.Restored)
	if !v.Clean() {
		c.t.Error(v)
	}
	if len(j.Found) > 0 || j.Gaps > 0 && !f.gaps || j.Judged == 0 {
		c.t.Error(j)
	}
	if len(s.Failures) > 0 || s.Foreign > 0 {
		c.t.Errorf("clients stopped for good: %v; events of another workspace: %d", s.Failures, s.Foreign)
	}
	return &row
}
