package bridge_test

import (
	"net/http"
	"strings"
	"testing"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"
)

// TestHeldBackForAStandby: a server that is told to send nothing that an absent
// standby lacks (synchronized_standby_slots) sends nothing. The stream works and
// lags behind nothing that it knows of; that it is not so has to show.
func TestHeldBackForAStandby(t *testing.T) {
	t.Parallel()
	c := pgtest.Cluster(t, throwaway.Options{Bin: pgtest.Version(t, "17"), TCP: true})
	dsn := pgtest.On(t, c, schemas.CRM, `select pg_create_physical_replication_slot('away')`)
	_, ids := crmDatabase(t, dsn, 1)
	d := startDaemon(t, dsn, often)
	d.ready()
	exec(t, dsn, `alter system set synchronized_standby_slots = 'away'`, `select pg_reload_conf()`)
	d.await("not being ready", func() bool { code, _ := d.get("/readyz"); return code == http.StatusServiceUnavailable })
	s := d.Snapshot().Source
	if s.State != "blocked" || !strings.Contains(s.Reason, "away") || !strings.Contains(s.Remedy, "synchronized_standby_slots") {
		t.Fatalf("%+v", s)
	}
	const line = "the server holds changes back from the bridge"
	if n := strings.Count(d.log.String(), line); n != 1 {
		t.Errorf("said %d times:\n%s", n, d.log)
	}
	for statement := range strings.SplitAfterSeq(strings.Split(s.Remedy, "--")[0], ";") {
		exec(t, dsn, statement)
	}
	d.ready()
	d.arrives(dsn, ids[0])
	if p := d.Snapshot().Pipeline; p.Gaps != 0 {
		t.Errorf("%d gaps, the last %+v: nothing was lost", p.Gaps, p.LastGap)
	}
}
