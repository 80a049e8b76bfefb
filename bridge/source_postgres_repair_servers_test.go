package bridge_test

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	osexec "os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"
)

// forwarder is an address that leads to one server, and then to another.
type forwarder struct {
	listener net.Listener
	mu       sync.Mutex
	to       string
	conns    []net.Conn
}

func newForwarder(t *testing.T, to string) *forwarder {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &forwarder{listener: l, to: to}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			out, err := net.Dial("tcp", f.to)
			if err != nil {
				_ = in.Close()
				f.mu.Unlock()
				continue
			}
			f.conns = append(f.conns, in, out)
			f.mu.Unlock()
			all.Go(func() { _, _ = io.Copy(out, in); _ = out.Close() })
			all.Go(func() { _, _ = io.Copy(in, out); _ = in.Close() })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		f.lead(to)
		all.Wait()
	})
	return f
}

// lead ends the connections; later ones go to another server.
func (f *forwarder) lead(to string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.to = to
	for _, c := range f.conns {
		_ = c.Close()
	}
	f.conns = nil
}

func hostOf(t *testing.T, dsn string) (u *url.URL) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// on has the test write to another server.
func (r *repairTest) on(dsn string) {
	r.t.Helper()
	conn, err := pgx.Connect(r.t.Context(), dsn)
	if err != nil {
		r.t.Fatal(err)
	}
	_ = r.conn.Close(r.t.Context())
	r.conn, r.dsn = conn, dsn
	r.t.Cleanup(func() { _ = conn.Close(r.t.Context()) })
}

func (r *repairTest) await5() {
	r.t.Helper()
	r.writeSome(5)
	r.client.await("what is written before", func(events []event) bool { b, _ := shown(events); return len(b) == 5 })
}

// TestPromotionWithoutTheSlotIsReadBack: the standby has all, but not the slot; what is
// written before the bridge is there reaches the client, which stays connected.
func TestPromotionWithoutTheSlotIsReadBack(t *testing.T) {
	t.Parallel()
	primary := pgtest.Cluster(t, throwaway.Options{TCP: true})
	dsn := pgtest.On(t, primary, schemas.CRM, withTimes)
	standby := pgtest.Standby(t, primary, nil, nil)
	f := newForwarder(t, hostOf(t, dsn).Host)
	through := hostOf(t, dsn)
	through.Host = f.listener.Addr().String()
	r := startRepair(t, through.String(), "BRIDGE_REPLAY_STATE_FILE="+filepath.Join(t.TempDir(), "state"))
	r.on(dsn)
	r.await5()
	there := pgtest.StandbyURL(t, standby, dsn)
	r.await("the standby having all", func() bool { return count(t, there) == 5 })
	primary.Kill()
	if err := pgtest.Exec(t.Context(), there, `select pg_promote()`); err != nil {
		t.Fatal(err)
	}
	r.on(there)
	r.writeSome(20)
	f.lead(hostOf(t, there).Host)
	r.writeUntil("the gap", r.readBack(1))
	r.complete(false)
	// The standby may have lacked something: that it had not is not known.
	if told := r.gaps(); len(told) != 1 || told[0].Payload["reload"] != true || r.Snapshot().Repair.Rows < 20 {
		t.Errorf("told %v, %+v", told, r.Snapshot().Repair)
	}
	if err := primary.StartAgain(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func count(t *testing.T, dsn string) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := conn.QueryRow(t.Context(), `select count(*) from messages`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestRestoreIsReadBack: a disk is put back to where it was, with the slot. What is
// written after that reaches the client, and it is told that what it has may not exist
// any more.
func TestRestoreIsReadBack(t *testing.T) {
	t.Parallel()
	c := pgtest.Cluster(t, throwaway.Options{TCP: true})
	dsn := pgtest.On(t, c, schemas.CRM, withTimes)
	f := newForwarder(t, hostOf(t, dsn).Host)
	through := hostOf(t, dsn)
	through.Host = f.listener.Addr().String()
	r := startRepair(t, through.String(), "BRIDGE_REPLAY_STATE_FILE="+filepath.Join(t.TempDir(), "state"))
	r.on(dsn)
	r.await5()
	data, kept := filepath.Join(c.Dir(), "data"), filepath.Join(c.Dir(), "kept")
	halt := func(mode string) {
		if err := c.Halt(t.Context(), mode); err != nil {
			t.Fatal(err)
		}
	}
	again := func() {
		if err := c.StartAgain(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.on(dsn)
	}
	copyDisk := func(from, to string) {
		if out, err := osexec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	halt("fast")
	copyDisk(data, kept)
	again()
	r.gone = map[string]bool{}
	for range 5 {
		r.gone[fmt.Sprintf("m%04d", r.n)] = true
		r.write()
	}
	r.client.await("what will be gone", func(events []event) bool { b, _ := shown(events); return len(b) == 10 })
	f.lead("127.0.0.1:1") // no bridge looks before there is something to miss
	halt("immediate")
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	copyDisk(kept, data)
	again()
	r.writeSome(20)
	f.lead(hostOf(t, dsn).Host)
	r.writeUntil("the gap", r.readBack(1))
	r.complete(false)
	if told := r.gaps(); len(told) != 1 || told[0].Payload["reload"] != true {
		t.Errorf("told %v, %+v", told, r.Snapshot().Repair)
	}
}

// TestInvalidatedSlotIsReadBack: the server removed the log that the slot needed while
// no bridge ran.
func TestInvalidatedSlotIsReadBack(t *testing.T) {
	t.Parallel()
	c := pgtest.Cluster(t, throwaway.Options{TCP: true, Settings: map[string]string{
		"max_slot_wal_keep_size": "16MB", "wal_keep_size": "0", "min_wal_size": "32MB", "max_wal_size": "64MB",
	}})
	dsn := pgtest.On(t, c, schemas.CRM, withTimes)
	r := startRepair(t, dsn)
	r.await5()
	r.daemonTest.stop()
	r.writeSome(20)
	for range 6 {
		r.exec(`select pg_logical_emit_message(false, 'x', repeat('x', 8 << 20))`)
		r.exec(`select pg_switch_wal()`)
		r.exec(`checkpoint`)
	}
	r.writeSome(20)
	r.daemonTest = startDaemon(t, dsn, often)
	r.ready()
	r.await("the gap", r.readBack(1))
	r.comeBack()
	r.complete(false)
	if s := r.Snapshot(); s.Repair.Healed != 1 || s.Repair.Rows < 40 || len(r.gaps()) > 0 {
		t.Errorf("%+v, told %v", s.Repair, r.gaps())
	}
}
