package pgtest

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"chatbridge/internal/throwaway"
)

// StandbySlot is the physical slot of a Standby at its primary.
const StandbySlot = "standby"

// Standby makes a streaming standby of primary, which is stopped and started
// again for that: the packages that Version uses bring no pg_basebackup. It can copy
// slots, and does so when pg_sync_replication_slots() is called there or
// sync_replication_slots is set. It has its primary's passwords: see StandbyURL.
func Standby(t testing.TB, primary *throwaway.Cluster, template *throwaway.Template, settings map[string]string) *throwaway.Cluster {
	t.Helper()
	if err := Exec(t.Context(), primary.URL("postgres"), `select pg_create_physical_replication_slot('`+StandbySlot+`', true)`); err != nil {
		t.Fatal("pgtest:", err)
	}
	all := map[string]string{
		"primary_conninfo": primary.SocketURL("postgres"), "primary_slot_name": StandbySlot, "hot_standby_feedback": "on",
	}
	maps.Copy(all, settings)
	c := Cluster(t, throwaway.Options{Template: template, TCP: true, Settings: all})
	for _, stopped := range []*throwaway.Cluster{primary, c} {
		if err := stopped.Halt(t.Context(), "fast"); err != nil {
			t.Fatal("pgtest:", err)
		}
	}
	if err := coldCopy(filepath.Join(primary.Dir(), "data"), filepath.Join(c.Dir(), "data")); err != nil {
		t.Fatal("pgtest: copy the primary:", err)
	}
	for _, stopped := range []*throwaway.Cluster{primary, c} {
		if err := stopped.StartAgain(t.Context()); err != nil {
			t.Fatal("pgtest:", err)
		}
	}
	return c
}

// StandbyURL returns the address of a database on a standby, by its address on the
// primary.
func StandbyURL(t testing.TB, standby *throwaway.Cluster, primary string) string {
	t.Helper()
	u, err := url.Parse(primary)
	if err != nil {
		t.Fatal("pgtest:", err)
	}
	u.Host = net.JoinHostPort(u.Hostname(), strconv.Itoa(standby.Port()))
	return u.String()
}

// coldCopy replaces a data directory by a copy of another, keeping its own
// configuration and slots, as a standby's.
func coldCopy(from, to string) error {
	own := to + ".own"
	if err := os.Rename(to, own); err != nil {
		return err
	}
	if err := cp(from, to); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(to, "pg_replslot")); err != nil {
		return err
	}
	for name, as := range map[string]string{
		"postgresql.conf": "postgresql.conf", "pg_hba.conf": "pg_hba.conf", "pg_replslot": "pg_replslot",
		"PG_VERSION": "standby.signal", // a file of the server's user; what is in it does not matter
	} {
		if err := cp(filepath.Join(own, name), filepath.Join(to, as)); err != nil {
			return err
		}
	}
	return os.RemoveAll(own)
}

// cp copies with owners and modes.
func cp(from, to string) error {
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}
