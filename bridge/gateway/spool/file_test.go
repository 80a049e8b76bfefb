package spool_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"chatbridge/bridge/gateway/spool"
)

// TestARestartGoesOn: in order, byte for byte, with what it knew of each.
func TestARestartGoesOn(t *testing.T) {
	t.Parallel()
	e := newEngine()
	e.answer = func(w *spool.Webhook, n int) answer {
		if string(w.Body) == "no" {
			return answer{status: 403}
		}
		return answer{status: 200}
	}
	r := start(t, options(), e)
	raw := make([]byte, 300_000)
	for i := range raw {
		raw[i] = byte(rand.N(256))
	}
	w := hook("a", string(raw))
	w.Query = "a=1;b=%2F&c=\xff"
	w.Header = http.Header{"X-Hub-Signature-256": {"sha256=\xe4\xf6"}, "Content-Type": {"application/json"}, "X-Twice": {"1", "2"}, "User-Agent": nil}
	if err := r.Keep(w); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		r.keep("a", fmt.Sprint(i))
	}
	r.keep("a", "no")
	r.keep("a", "") // an empty body is one too
	before := r.Stats()
	r.end()

	got := make(chan *spool.Webhook, 64)
	e2 := newEngine()
	e2.answer = func(w *spool.Webhook, n int) answer {
		got <- w
		return e.answer(w, n)
	}
	o := options()
	o.Dir = r.dir
	r2 := start(t, o, e2)
	r2.SetWell(true)
	r2.await("all sent", e2, func() bool { s := r2.Stats(); return s.Open && s.Waiting == 0 })
	first := <-got
	if !bytes.Equal(first.Body, raw) || first.Query != w.Query || first.Path != w.Path || first.From != w.From {
		t.Errorf("%d bytes, %q, %q", len(first.Body), first.Query, first.Path)
	}
	for name, values := range w.Header {
		if values != nil && fmt.Sprint(first.Header[name]) != fmt.Sprint(values) {
			t.Errorf("%s: %q, want %q", name, first.Header[name], values)
		}
	}
	want := string(raw)
	for i := range 20 {
		want += fmt.Sprint(" ", i)
	}
	if got := e2.bodies(); got != want+" no " {
		t.Errorf("sent in the order %q", got[len(raw):])
	}
	if s := r2.Stats(); s.Dead != 1 || before.Waiting != 23 {
		t.Errorf("before %+v, then %+v", before, s)
	}
	// What is on the disk is the process's user's alone.
	for path, want := range map[string]os.FileMode{r.dir: 0o700, filepath.Join(r.dir, spool.FileName): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

// TestDamagedFilesAreSetAside, whatever happened to them, and the spool works; a file
// is never touched again.
func TestDamagedFilesAreSetAside(t *testing.T) {
	t.Parallel()
	const page = 4096
	for name, damage := range map[string]func(b []byte) []byte{
		"half":         func(b []byte) []byte { return b[:len(b)/2] },
		"a few bytes":  func(b []byte) []byte { return b[:100] },
		"two pages":    func(b []byte) []byte { return b[:2*page] },
		"no meta":      func(b []byte) []byte { clear(b[:2*page]); return b },
		"zeros behind": func(b []byte) []byte { clear(b[2*page:]); return b },
		"ones behind": func(b []byte) []byte {
			for i := range b[2*page:] {
				b[2*page+i] = 0xff
			}
			return b
		},
		"records": func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(`{"kept":`), []byte(`{"kept";`)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options()
			r := start(t, o, newEngine())
			for i := range 50 {
				r.keep("a", strings.Repeat(fmt.Sprint(i), 100))
			}
			r.end()
			path := filepath.Join(r.dir, spool.FileName)
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			broken := damage(text)
			if err := os.WriteFile(path, broken, 0o600); err != nil {
				t.Fatal(err)
			}
			e := newEngine()
			o.Dir = r.dir
			r2 := start(t, o, e)
			r2.keep("a", "after")
			r2.SetWell(true)
			r2.await("sent", e, func() bool { return strings.Contains(e.bodies(), "after") && r2.Empty() })
			s := r2.Stats()
			aside, err := filepath.Glob(path + ".damaged-*")
			if err != nil || len(aside) != 1 || s.SetAside != 1 {
				t.Fatalf("set aside: %v, %v; %+v", aside, err, s)
			}
			if kept, err := os.ReadFile(aside[0]); err != nil || !bytes.Equal(kept, broken) {
				t.Errorf("what was set aside has changed: %v", err)
			}
		})
	}
}

// TestAnothersFileIsLeftAlone: what has the file's name and is not the bridge's is neither
// changed nor given another name, and that is told; a file of before the mark is the bridge's.
func TestAnothersFileIsLeftAlone(t *testing.T) {
	t.Parallel()
	database := func(path string, buckets ...string) {
		db, err := bbolt.Open(path, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = db.Update(func(tx *bbolt.Tx) error {
			for _, name := range buckets {
				if _, err := tx.CreateBucket([]byte(name)); err != nil {
					return err
				}
			}
			return nil
		})
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		make func(path string)
		ours bool
	}{
		"another program's":                   {func(p string) { database(p, "consul-raft") }, false},
		"another program's with such buckets": {func(p string) { database(p, "body", "consul-raft", "dead", "queue") }, false},
		"the bridge's for another purpose":    {func(p string) { database(p, "owners", "requests", "times") }, false},
		"no database of bbolt": {func(p string) {
			if err := os.WriteFile(p, bytes.Repeat([]byte("SQLite format 3 "), 1000), 0o600); err != nil {
				t.Fatal(err)
			}
		}, false},
		"of before the mark": {func(p string) { database(p, "body", "dead", "queue") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, e := options(), newEngine()
			o.Dir = t.TempDir()
			path := filepath.Join(o.Dir, spool.FileName)
			c.make(path)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := spool.Recognise(o.Dir); (err == nil) != c.ours {
				t.Errorf("recognised: %v", err)
			}
			var log lockedLog
			o.Logger = slog.New(slog.NewTextHandler(&log, nil))
			r := start(t, o, e)
			if c.ours {
				r.keep("a", "kept")
				return
			}
			if err := r.Keep(hook("a", "a1")); !errors.Is(err, spool.ErrUnavailable) {
				t.Errorf("kept: %v", err)
			}
			if _, err := spool.DoOffline(o.Dir, spool.Order{Do: spool.DoList}); err == nil || !strings.Contains(err.Error(), "a path of its own") {
				t.Errorf("listed: %v", err)
			}
			r.end()
			entries, err := os.ReadDir(o.Dir)
			if after, rerr := os.ReadFile(path); err != nil || rerr != nil || len(entries) != 1 || !bytes.Equal(before, after) {
				t.Errorf("it was changed: %v, %v, %v", entries, err, rerr)
			}
			if !strings.Contains(log.String(), "no file of the bridge's") || !strings.Contains(log.String(), "give spool.dir a path of its own") {
				t.Errorf("logged\n%s", log.String())
			}
		})
	}
}

// TestADamagedFileIsLetGo: looked into by an operator, a damaged file is not held, so that
// the daemon, or the next look, can have it.
func TestADamagedFileIsLetGo(t *testing.T) {
	t.Parallel()
	const page = 4096
	r := start(t, options(), newEngine())
	for i := range 50 {
		r.keep("a", strings.Repeat(fmt.Sprint(i), 100))
	}
	r.end()
	path := filepath.Join(r.dir, spool.FileName)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range text[2*page:] {
		text[2*page+i] = 0xff
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, o := range []spool.Order{{Do: spool.DoList}, {Do: spool.DoDrop, All: true}, {Do: spool.DoDrop, All: true}} {
		if _, err := spool.DoOffline(r.dir, o); err == nil || errors.Is(err, spool.ErrLocked) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// TestAnEmptyFileIsTold: what it had kept is gone, and nobody else would tell.
func TestAnEmptyFileIsTold(t *testing.T) {
	t.Parallel()
	o, e := options(), newEngine()
	o.Dir = t.TempDir()
	path := filepath.Join(o.Dir, spool.FileName)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var log lockedLog
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	r := start(t, o, e)
	r.keep("a", "after")
	r.SetWell(true)
	r.await("sent", e, func() bool { return strings.Contains(e.bodies(), "after") && r.Empty() })
	if !strings.Contains(log.String(), "is empty") {
		t.Errorf("logged\n%s", log.String())
	}
}

// lockedLog keeps what is logged.
type lockedLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// TestABodyThatChangedOnDiskIsNotSent: it is a dead letter, and the others go out.
func TestABodyThatChangedOnDiskIsNotSent(t *testing.T) {
	t.Parallel()
	r := start(t, options(), newEngine())
	for _, body := range []string{"first", "sound and whole", "last"} {
		r.keep("a", body)
	}
	r.end()
	path := filepath.Join(r.dir, spool.FileName)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.ReplaceAll(text, []byte("sound and whole"), []byte("sound and hole!")), 0o600); err != nil {
		t.Fatal(err)
	}
	e, o := newEngine(), options()
	o.Dir = r.dir
	r2 := start(t, o, e)
	r2.SetWell(true)
	r2.await("the others", e, func() bool { return e.bodies() == "first last" && r2.Stats().Dead == 1 })
}

// TestTwoBridgesInOneDirectory: the second keeps nothing, and says so, until the first
// has gone.
func TestTwoBridgesInOneDirectory(t *testing.T) {
	t.Parallel()
	e := newEngine()
	r := start(t, options(), e)
	r.keep("a", "a1")
	o := options()
	o.Dir = r.dir
	second := start(t, o, e)
	if err := second.Keep(hook("a", "a2")); !errors.Is(err, spool.ErrUnavailable) || !errors.Is(err, spool.ErrLocked) {
		t.Fatalf("kept by both: %v", err)
	}
	if s := second.Stats(); s.Open || s.Error == "" {
		t.Errorf("%+v", s)
	}
	// It knows of nothing that waits: what ChatEngine takes may go there.
	if !second.Empty() || r.Empty() {
		t.Errorf("empty: %v, %v", second.Empty(), r.Empty())
	}
	r.end()
	second.await("it takes over", e, func() bool { return second.Stats().Open })
	second.keep("a", "a2")
	second.SetWell(true)
	second.await("both sent, once", e, func() bool { return e.bodies() == "a1 a2" && second.Empty() })
}

// breakFile makes every write to a file that this process has open fail, as on a disk
// that went read-only: its descriptor is replaced by one that only reads.
func breakFile(t *testing.T, path string) {
	t.Helper()
	replaceFile(t, path, path, os.O_RDONLY)
}

// replaceFile replaces the descriptor by which this process has a file open.
func replaceFile(t *testing.T, path, by string, flags int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("needs /proc:", err)
	}
	for _, entry := range entries {
		if to, err := os.Readlink("/proc/self/fd/" + entry.Name()); err != nil || to != path {
			continue
		}
		var fd int
		if _, err := fmt.Sscan(entry.Name(), &fd); err != nil {
			t.Fatal(err)
		}
		only, err := os.OpenFile(by, flags, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer only.Close()
		if err := syscall.Dup3(int(only.Fd()), fd, syscall.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatal("the file is not open")
}

// TestADiskThatFails: what cannot be written is not said to be kept, what ChatEngine
// took is not sent again though it cannot be recorded, and the spool comes back with the
// disk.
func TestADiskThatFails(t *testing.T) {
	t.Parallel()
	e := newEngine()
	r := start(t, options(), e)
	path := filepath.Join(r.dir, spool.FileName)
	e.answer = func(w *spool.Webhook, n int) answer {
		if string(w.Body) == "a1" {
			breakFile(t, path)
		}
		return answer{status: 200}
	}
	r.keep("a", "a1")
	r.keep("a", "a2")
	r.SetWell(true)
	r.await("both sent", e, func() bool { return strings.Contains(e.bodies(), "a2") && r.Empty() && r.Stats().Open })
	if got := e.bodies(); got != "a1 a2" {
		t.Errorf("sent: %s", got)
	}
	breakFile(t, path)
	r.SetWell(false)
	if err := r.Keep(hook("a", "a3")); !errors.Is(err, spool.ErrUnavailable) {
		t.Errorf("kept on a broken disk: %v", err)
	}
	if s := r.Stats(); !r.Empty() {
		t.Errorf("something waits: %+v", s)
	}
	r.await("it is back", e, func() bool { return r.Keep(hook("a", "a4")) == nil })
	// What waits in a file that fails still comes first.
	breakFile(t, path)
	if err := r.Keep(hook("a", "a5")); err == nil || r.Empty() {
		t.Errorf("kept %v; nothing waits: %v", err, r.Empty())
	}
	r.SetWell(true)
	r.await("sent", e, func() bool { return e.bodies() == "a1 a2 a4" && r.Empty() })
}

// TestADirectoryThatCannotBe: no failed start, and no webhook that is said to be kept.
func TestADirectoryThatCannotBe(t *testing.T) {
	t.Parallel()
	o := options()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, file + "/below", "/proc/spool"} {
		o.Dir = dir
		r := start(t, o, newEngine())
		if err := r.Keep(hook("a", "a1")); !errors.Is(err, spool.ErrUnavailable) {
			t.Errorf("%s: %v", dir, err)
		}
		if s := r.Stats(); s.Open || !r.Empty() {
			t.Errorf("%s: %+v", dir, s)
		}
	}
}

// TestFull: dead letters make room, the oldest first; what waits does not.
func TestFull(t *testing.T) {
	t.Parallel()
	e := newEngine()
	e.answer = func(w *spool.Webhook, n int) answer {
		if strings.HasPrefix(string(w.Body), "dead") {
			return answer{status: 410}
		}
		return answer{status: 200}
	}
	o := options()
	o.MaxBytes, o.MaxBody = 10<<10, 4<<10
	r := start(t, o, e)
	large := strings.Repeat(".", 1<<10)
	for i := range 3 {
		r.keep("a", fmt.Sprint("dead", i, large))
	}
	r.SetWell(true)
	r.await("three dead letters", e, func() bool { return r.Stats().Dead == 3 })
	r.SetWell(false)
	n := 0
	var err error
	for ; err == nil; n++ {
		if s := r.Stats(); s.Bytes > o.MaxBytes {
			t.Fatalf("%d bytes", s.Bytes)
		}
		err = r.Keep(hook("a", fmt.Sprint("live", n, large)))
	}
	if s := r.Stats(); !errors.Is(err, spool.ErrFull) || s.Dead != 0 || s.Dropped != 3 || s.Waiting != n-1 || n < 6 {
		t.Errorf("%d kept, then %v; %+v", n-1, err, s)
	}
	r.SetWell(true)
	r.await("room again", e, func() bool { return r.Empty() })
	r.keep("a", "live"+large)
}

// TestABurstSharesItsCommits: those that come while one is being written go into one
// transaction.
func TestABurstSharesItsCommits(t *testing.T) {
	t.Parallel()
	r := start(t, options(), newEngine())
	r.keep("a", "first")
	before := r.Commits()
	release := r.Hold()
	const n = 100
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			if err := r.Keep(hook("a", fmt.Sprint(i))); err != nil {
				t.Error(err)
			}
		})
	}
	time.Sleep(100 * time.Millisecond) // most of them wait by then
	release()
	all.Wait()
	if commits := r.Commits() - before; commits > n/4 {
		t.Errorf("%d commits for %d webhooks", commits, n)
	}
	if s := r.Stats(); s.Waiting != n+1 {
		t.Errorf("%+v", s)
	}
}

// TestAFullDisk keeps nothing more, and what waits can be looked at all the while.
func TestAFullDisk(t *testing.T) {
	t.Parallel()
	e := newEngine()
	r := start(t, options(), e)
	r.keep("a", "a1")
	replaceFile(t, filepath.Join(r.dir, spool.FileName), "/dev/full", os.O_RDWR)
	for range 5 {
		if err := r.Keep(hook("a", "a2")); !errors.Is(err, spool.ErrUnavailable) || !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("kept: %v", err)
		}
		time.Sleep(20 * time.Millisecond) // in which it would be closed
		if s := r.Stats(); !s.Open || s.Waiting != 1 || len(r.order(spool.Order{Do: spool.DoList}).Entries) != 1 {
			t.Fatalf("%+v", s)
		}
	}
	// What is sent meanwhile cannot be recorded, and is not sent again for that.
	r.SetWell(true)
	r.await("sent", e, func() bool { return e.bodies() == "a1" })
	time.Sleep(50 * time.Millisecond) // time to do so
	if got := e.bodies(); got != "a1" {
		t.Errorf("sent: %s", got)
	}
}

// TestADirectoryThatOthersCanOpen is told with its mode as chmod takes it, the sticky bit
// as well.
func TestADirectoryThatOthersCanOpen(t *testing.T) {
	t.Parallel()
	for want, mode := range map[string]os.FileMode{"mode=1777": 0o777 | os.ModeSticky, "mode=0750": 0o750, "mode=2755": 0o755 | os.ModeSetgid} {
		o, e := options(), newEngine()
		o.Dir = t.TempDir()
		if err := os.Chmod(o.Dir, mode); err != nil {
			t.Fatal(err)
		}
		var log lockedLog
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		r := start(t, o, e)
		r.await("open", e, func() bool { return r.Stats().Open })
		if !strings.Contains(log.String(), "others may look into the spool's directory") || !strings.Contains(log.String(), want) {
			t.Errorf("%v: logged\n%s", mode, log.String())
		}
		r.end()
	}
}
