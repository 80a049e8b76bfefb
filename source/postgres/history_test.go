package postgres_test

import (
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/source/postgres"
)

func shell(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := osexec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// standbyOf makes a running standby of primary.
func standbyOf(t *testing.T, primary *throwaway.Cluster) *throwaway.Cluster {
	t.Helper()
	c := pgtest.Cluster(t, throwaway.Options{})
	if err := c.Halt(t.Context(), "fast"); err != nil {
		t.Fatal(err)
	}
	data, own := filepath.Join(c.Dir(), "data"), filepath.Join(c.Dir(), "own")
	shell(t, "cp", "-a", data, own)
	shell(t, "rm", "-r", data)
	shell(t, filepath.Join(primary.Bin(), "pg_basebackup"), "-D", data, "-d", primary.SocketURL("postgres"), "-X", "stream", "-c", "fast", "-R")
	for _, name := range []string{"postgresql.conf", "pg_hba.conf"} {
		shell(t, "cp", "-a", filepath.Join(own, name), data)
	}
	shell(t, "chown", "-R", "--reference="+own, data)
	shell(t, "chmod", "700", data)
	if err := c.StartAgain(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestPromotedStandbyWithoutTheSlot: what was confirmed is known to it, because
// it is in the database; what was not is lost with the slot.
func TestPromotedStandbyWithoutTheSlot(t *testing.T) {
	t.Parallel()
	primary := pgtest.Cluster(t, throwaway.Options{TCP: true})
	url := pgtest.On(t, primary, simple)
	db := query(t, url, "select current_database()")
	since := oneRow(t, postgres.Options{URL: url})
	standby := standbyOf(t, primary)
	exec(t, url, `insert into t values (2)`)
	there := standby.SocketURL(db)
	for query(t, there, `select count(*)::text from t`) != "2" {
		time.Sleep(10 * time.Millisecond)
	}
	primary.Kill()
	query(t, there, `select pg_promote()::text`)
	_, rec := start(t, postgres.Options{URL: there})
	wantGap(t, rec, "missing", since)
	if !rec.gaps[0].Reload {
		t.Error("what the standby had not received may be gone, and is not said to be")
	}
	exec(t, there, `insert into t values (3)`)
	rec.awaitRows(t, 1)
	if err := primary.StartAgain(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// snapshot copies the disk of a cluster, and returns what puts it back.
func snapshot(t *testing.T, c *throwaway.Cluster) (putBack func()) {
	t.Helper()
	data, copied := filepath.Join(c.Dir(), "data"), filepath.Join(c.Dir(), "snapshot")
	halt := func(mode string) {
		if err := c.Halt(t.Context(), mode); err != nil {
			t.Fatal(err)
		}
	}
	again := func() {
		if err := c.StartAgain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	halt("fast")
	shell(t, "cp", "-a", data, copied)
	again()
	return func() {
		halt("immediate")
		if err := os.RemoveAll(data); err != nil {
			t.Fatal(err)
		}
		shell(t, "cp", "-a", copied, data)
		again()
	}
}

// TestSnapshotPutBack puts the disk back to where it was, on the same timeline,
// and has the application write past the old end of the log before a bridge
// looks. Nothing of the new history may be missing, and that the old one is
// gone has to be said.
func TestSnapshotPutBack(t *testing.T) {
	t.Parallel()
	for _, past := range []bool{false, true} {
		for _, running := range []bool{false, true} {
			t.Run(fmt.Sprintf("past=%v,running=%v", past, running), func(t *testing.T) {
				t.Parallel()
				snapshotPutBack(t, past, running)
			})
		}
	}
}

func snapshotPutBack(t *testing.T, past, running bool) {
	c := pgtest.Cluster(t, throwaway.Options{TCP: true})
	direct := pgtest.On(t, c, simple)
	p, through := newProxy(t, direct)
	opts := postgres.Options{URL: through, Slot: uniqueSlot(t), Memory: &memory{}}
	src, rec := start(t, opts)
	exec(t, direct, `insert into t values (1)`)
	rec.awaitRows(t, 1)
	putBack := snapshot(t, c)
	src.awaitState(t, postgres.Streaming)
	exec(t, direct, `insert into t values (2)`, `insert into t values (3)`)
	rec.awaitRows(t, 3)
	lost := rec.txs[2][0].tx.Time
	if !running {
		_ = src.stop()
	}
	p.freeze() // so that no bridge looks before the log is long
	p.cut()
	putBack()
	exec(t, direct, `insert into t values (12)`, `insert into t values (13)`)
	if past {
		exec(t, direct, foreign(4), `insert into t values (14)`)
	}
	p.thaw()
	if !running {
		_, rec = start(t, opts)
	}
	exec(t, direct, `insert into t values (15)`)
	rec.await(t, "the new history", func() bool { return slices.Contains(rec.firstColumns(), "15") })
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if len(rec.gaps) != 1 || !rec.gaps[0].Reload || !rec.gaps[0].Since.Equal(lost) {
		t.Errorf("gaps %+v, want one since %v, with everything to be loaded again", rec.gaps, lost)
	}
	want := []string{"12", "13", "15"}
	if past {
		want = []string{"12", "13", "14", "15"}
	}
	got := rec.firstColumns()
	// What was read before the histories were told apart comes again.
	if len(got) < len(want) || !slices.Equal(got[len(got)-len(want):], want) {
		t.Errorf("got %s, want %s at the end", strings.Join(got, " "), strings.Join(want, " "))
	}
}
