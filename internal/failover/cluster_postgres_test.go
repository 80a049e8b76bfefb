package failover_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"chatbridge/internal/failover"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"
)

// copiesSlots is the oldest version whose standbys copy logical slots.
const copiesSlots = "17"

// startDatabase starts Postgres, of that version where it is not empty, with a standby
// if there is to be one.
func (c *clusterWorld) startDatabase(version string, standby bool) {
	c.t.Helper()
	if !standby {
		c.cluster = pgtest.Cluster(c.t, throwaway.Options{TCP: true})
		c.database = pgtest.On(c.t, c.cluster, schemas.CRM, c.members())
		return
	}
	bin, err := throwaway.Find(c.t.Context(), "")
	if version != "" {
		bin = pgtest.Version(c.t, version)
	} else if err != nil {
		c.t.Fatal(err)
	}
	template, err := throwaway.NewTemplate(c.t.Context(), bin)
	if err != nil {
		c.t.Fatal(err)
	}
	defer template.Remove()
	primary := pgtest.Cluster(c.t, throwaway.Options{Template: template, TCP: true})
	c.cluster = primary
	c.database = pgtest.On(c.t, primary, schemas.CRM, c.members())
	// pgtest drops the database there.
	c.t.Cleanup(func() { _ = primary.StartAgain(context.WithoutCancel(c.t.Context())) })
	c.standby = pgtest.Standby(c.t, primary, template, nil)
}

// copySlot has the standby copy the bridges' slot until the copy lasts, and has the
// primary send the bridges nothing that the standby does not have: docs/postgres.md.
func copySlot(c *clusterWorld) {
	c.exec(c.database, `alter system set synchronized_standby_slots = '`+pgtest.StandbySlot+`'`, `select pg_reload_conf()`)
	there := pgtest.StandbyURL(c.t, c.standby, c.database)
	const slots = `select coalesce(json_agg(s)::text, '') from pg_replication_slots s where slot_name <> '` + pgtest.StandbySlot + `'`
	// By the standby's own worker: what pg_sync_replication_slots() makes ends with it unless
	// it lasts already.
	c.exec(there, `alter system set sync_replication_slots = on`, `select pg_reload_conf()`)
	for deadline := time.Now().Add(2 * clusterTimeout); ; pause(400*time.Millisecond, 500*time.Millisecond) {
		c.exec(c.database, `select pg_log_standby_snapshot()`) // by which the slot moves on
		if c.scanAt(there, `select (count(*) = 1)::text from pg_replication_slots
			where slot_name = 'bridge' and synced and not temporary and invalidation_reason is null`) == "true" {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("the standby has no copy of the slot that lasts:\n%s\nof\n%s", c.scanAt(there, slots), c.scan(slots))
		}
	}
}

func (c *clusterWorld) exec(url string, sql ...string) {
	c.t.Helper()
	if err := pgtest.Exec(context.WithoutCancel(c.t.Context()), url, sql...); err != nil {
		c.t.Fatal(err)
	}
}

// postgresPromoted kills the primary under load, and promotes the standby, to which
// everything is led. With the slot nothing that was delivered may be missing there;
// without, clients are told, and load the page again.
func postgresPromoted(withSlot bool) func(*clusterWorld, int) {
	return func(c *clusterWorld, _ int) {
		old := c.cluster
		url := pgtest.StandbyURL(c.t, c.standby, c.database)
		addr := "127.0.0.1:" + strconv.Itoa(c.standby.Port())
		if withSlot {
			copySlot(c) // again: the copy moves on with its primary's
		}
		// The standby lacks the last of what the primary commits.
		c.exec(url, `alter system set primary_conninfo = ''`, `select pg_reload_conf()`)
		failover.Await(c.t, clusterTimeout, "the standby to be cut off", func() bool {
			return c.scanAt(url, `select (count(*) = 0)::text from pg_stat_wal_receiver`) == "true"
		})
		pause(500*time.Millisecond, 1500*time.Millisecond)
		old.Kill()
		// Nobody writes to the new primary before its truth is recorded.
		c.toDatabase.Stall()
		c.toDatabase.Cut(-1)
		c.toDatabase.LeadTo(addr)
		for _, n := range c.nodes {
			n.toDatabase.LeadTo(addr)
			n.toDatabase.Cut(-1)
		}
		if c.scanAt(url, `select pg_promote()::text`) != "true" {
			c.t.Fatal("the standby was not promoted")
		}
		parted := c.lsn(url, `pg_last_wal_replay_lsn()`)
		// What the old primary had committed, the last of it perhaps never sent.
		if err := old.StartAgain(c.t.Context()); err != nil {
			c.t.Fatal(err)
		}
		c.recorder.Truth()
		if err := old.Halt(c.t.Context(), "fast"); err != nil {
			c.t.Fatal(err)
		}
		lost := c.recorder.Fork(url, parted, !withSlot)
		c.cluster, c.standby, c.database = c.standby, nil, url
		c.toDatabase.Resume()
		c.t.Logf("promoted at %X; %d events were on the old primary only", parted, lost)
		if lost == 0 {
			c.t.Fatal("the standby had all that was committed")
		}
		c.followsAgain()
		if !withSlot {
			c.awaitReload()
		}
	}
}

// postgresRestored puts the disk back to where it was some seconds before. With anew the
// leader is killed and Redis emptied meanwhile, so that an edge begins at the slot's place.
func postgresRestored(anew bool) func(*clusterWorld, int) {
	return func(c *clusterWorld, _ int) { c.restorePostgres(anew) }
}

func (c *clusterWorld) restorePostgres(anew bool) {
	c.t.Helper()
	ctx := context.WithoutCancel(c.t.Context())
	data, copied := filepath.Join(c.cluster.Dir(), "data"), filepath.Join(c.cluster.Dir(), "snapshot")
	halt := func(mode string) {
		if err := c.cluster.Halt(ctx, mode); err != nil {
			c.t.Fatal(err)
		}
	}
	again := func() {
		if err := c.cluster.StartAgain(ctx); err != nil {
			c.t.Fatal(err)
		}
	}
	copyTo := func(from, to string) {
		if err := os.RemoveAll(to); err != nil {
			c.t.Fatal(err)
		}
		if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
			c.t.Fatalf("%v: %s", err, out)
		}
	}
	halt("fast")
	copyTo(data, copied)
	again()
	c.awaitHealthy()
	pause(3*time.Second, 8*time.Second) // what is undone
	c.toDatabase.Stall()
	c.toDatabase.Cut(-1)
	failover.Await(c.t, clusterTimeout, "all writes to have ended", func() bool {
		return c.scan(`select (count(*) = 0)::text from pg_stat_activity where backend_type = 'client backend' and state = 'active' and pid <> pg_backend_pid()`) == "true"
	})
	c.recorder.Truth()
	halt("immediate")
	leader := c.leader()
	if anew {
		leader.Kill()
		if err := c.redis.Client().FlushAll(ctx).Err(); err != nil {
			c.t.Fatal(err)
		}
	}
	copyTo(copied, data)
	again()
	undone := c.recorder.Fork(c.database, c.lsn(c.database, `(select checkpoint_lsn from pg_control_checkpoint())`), true)
	if undone == 0 {
		c.t.Fatal("nothing was undone")
	}
	c.toDatabase.Resume()
	c.t.Logf("%d events undone", undone)
	if anew {
		c.anotherLeads(leader)
		leader.Start()
	}
	c.followsAgain()
	c.awaitReload()
}

// followsAgain waits until a bridge reads the slot.
func (c *clusterWorld) followsAgain() {
	c.t.Helper()
	failover.Await(c.t, clusterTimeout, "a bridge to read the slot", func() bool {
		return c.scan(`select (count(*) = 1)::text from pg_replication_slots where slot_name = 'bridge' and active`) == "true"
	})
	c.awaitHealthy()
}

// awaitReload waits until each page was told to load everything again, and has all do
// so. Pages that are not told go on as they are, for the judge to see what they lack.
func (c *clusterWorld) awaitReload() {
	c.t.Helper()
	reloads := 0
	for deadline := time.Now().Add(30 * time.Second); reloads < c.size.clients; pause(500*time.Millisecond, time.Second) {
		if reloads = c.clients.Summary().ToReload; time.Now().After(deadline) {
			c.t.Errorf("%d of %d clients were told to load everything again", reloads, c.size.clients)
			return
		}
	}
	c.clients.Reload(c.database)
}

// lsn is the place in the log that an expression says.
func (c *clusterWorld) lsn(url, expression string) uint64 {
	c.t.Helper()
	text := c.scanAt(url, `select (`+expression+` - '0/0'::pg_lsn)::text`)
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 64)
	if err != nil {
		c.t.Fatal(err)
	}
	return n
}
