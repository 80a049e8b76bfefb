package ledgerfile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

func TestRowsComeBack(t *testing.T) {
	t.Parallel()
	o, m := options(t), newMemory("public.messages", "public.conversations")
	if rows, l, f := load(t, o); len(rows) != 0 || l.Header != nil || l.Lost != "" || f.Stats().Error != "" {
		t.Fatalf("a first start: %v, %+v, %q", rows, l, f.Stats().Error)
	}
	r := random(1)
	for round := range 3 {
		f := run(t, o, m)
		m.header = strings.Repeat("h", round+1)
		for i := range 800 {
			m.set(i%2, uuid(r), long(r, 300), int64(i))
		}
		await(t, "the rows to be written", func() bool { return f.Stats().Rows == len(m.texts()) && f.Stats().Pending == 0 })
		for key := range m.texts() {
			switch r.IntN(4) {
			case 0:
				m.drop(indexOf(o.Tables, key.table), key.key)
			case 1:
				m.set(indexOf(o.Tables, key.table), key.key, "changed", 5)
			}
		}
		m.set(0, "without anything", "", 1)
		f.stop()
		rows, l, _ := load(t, o)
		same(t, rows, m.texts())
		if l.Lost != "" || string(l.Header) != m.header {
			t.Fatalf("loaded %+v, want the header %q", l, m.header)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(o.Path))
	if err != nil || len(entries) != 2 {
		t.Errorf("the directory has %v, %v; want the file and its lock", entries, err)
	}
	if info, err := os.Stat(o.Path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v, %v", info.Mode(), err)
	}
}

func indexOf(tables []string, name string) int {
	for i, t := range tables {
		if t == name {
			return i
		}
	}
	return -1
}

// TestAnotherTable: one that is followed from now on has no rows yet, and those of the
// others are of use.
func TestAnotherTable(t *testing.T) {
	t.Parallel()
	o, m := options(t), newMemory("public.messages", "public.conversations")
	f := run(t, o, m)
	m.set(1, "a", "row", 1)
	f.stop()
	o.Tables = []string{"public.notes", "public.conversations"}
	rows, l, _ := load(t, o)
	same(t, rows, m.texts())
	if l.Lost != "" {
		t.Error(l.Lost)
	}
}

// TestTheHeaderIsWrittenWithoutRows: what holds for all rows changes also while no row
// does.
func TestTheHeaderIsWrittenWithoutRows(t *testing.T) {
	t.Parallel()
	o, m := options(t), newMemory("public.messages", "public.conversations")
	o.HeaderInterval = 5 * time.Millisecond
	f := run(t, o, m)
	await(t, "the first file", func() bool { return f.Stats().Writes == 1 })
	m.mu.Lock()
	m.header = "later"
	m.mu.Unlock()
	await(t, "the header", func() bool { return f.Stats().Writes == 2 })
	f.stop()
	if _, l, _ := load(t, o); string(l.Header) != "later" {
		t.Errorf("the header is %q", l.Header)
	}
	if w := f.Stats().Writes; w != 2 {
		t.Errorf("written %d times, although nothing had changed", w)
	}
}

// TestTheFileKeepsItsBound: whatever is written, the file does not grow past its bound,
// and it has the newest rows: exactly those that Header was told of.
func TestTheFileKeepsItsBound(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"small": 100, "of half a page": 4400, "large": 30_000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, m := options(t), newMemory("public.messages", "public.conversations")
			o.MaxBytes = minBytes
			f, r := New(o), random(uint64(size))
			m.file, f.rows = f, m
			if err := f.takeLock(t.Context()); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(f.end)
			calls := 0
			m.block = func() { // also in the midst of a flush
				if calls++; calls%50 > 0 {
					return
				}
				for _, path := range []string{o.Path, o.Path + ".new"} {
					if info, err := os.Stat(path); err == nil && info.Size() > o.MaxBytes {
						t.Errorf("%s has %d bytes, more than %d", path, info.Size(), o.MaxBytes)
						m.block = nil
					}
				}
			}
			at := int64(0)
			for round := range 25 {
				n := max(40_000/size, 5)
				if round == 20 {
					n = 1_500_000 / size
				}
				for range n {
					at++
					m.set(int(at%2), uuid(r), long(r, size), at)
				}
				for key := range m.texts() { // and changes of old ones
					if r.IntN(20) == 0 {
						m.set(indexOf(o.Tables, key.table), key.key, long(r, size), m.rows[key].at)
					}
				}
				if err := f.flush(); err != nil {
					t.Fatal(err)
				}
			}
			leftOut := m.leftOut
			want := m.texts()
			for key, row := range m.rows {
				if row.at < leftOut {
					delete(want, key)
				}
			}
			f.end()
			rows, l, _ := load(t, o)
			same(t, rows, want)
			if l.Lost != "" || leftOut == 0 || len(want) < 5 {
				t.Errorf("left out what is before %d, kept %d of %d rows: %q", leftOut, len(want), len(m.rows), l.Lost)
			}
			if s := f.Stats(); s.Rewrites < 2 || s.LeftOut == 0 || s.Rows != len(want) {
				t.Errorf("%+v, want %d rows", s, len(want))
			}
		})
	}
}

func TestAFileThatIsOfNoUse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*Options)
		aside  bool
		lost   string
	}{
		"of another database": {func(o *Options) { o.Identity = "another" }, false, "another database"},
		"torn": {func(o *Options) {
			if err := os.Truncate(o.Path, 9000); err != nil {
				panic(err)
			}
		}, true, "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, m := options(t), newMemory("public.messages", "public.conversations")
			first := run(t, o, m)
			for i := range 500 {
				m.set(i%2, uuid(random(uint64(i))), "a row", 1)
			}
			first.stop()
			c.change(&o)
			var log bytes.Buffer
			o.Logger = slog.New(slog.NewTextHandler(&log, nil))
			_, l, _ := load(t, o)
			if !strings.Contains(l.Lost, c.lost) || !strings.Contains(l.Lost, o.Path) || l.Header != nil {
				t.Errorf("lost %q, header %q", l.Lost, l.Header)
			}
			if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "begin") {
				t.Errorf("%d lines are logged:\n%s", n, log.String())
			}
			if _, err := os.Stat(o.Path + ".damaged"); (err == nil) != c.aside {
				t.Errorf("set aside: %v, want %t", err, c.aside)
			}
			// A new one begins.
			run(t, o, m).stop()
			if rows, l, _ := load(t, o); l.Lost != "" || len(rows) != 500 {
				t.Errorf("then %d rows, %q", len(rows), l.Lost)
			}
		})
	}
}

// TestAnothersFileIsLeftAlone: what ledger.file names by mistake stays where it is, as it is,
// also through a symbolic link, with nothing beside it; that is told, and costs the ledger alone.
func TestAnothersFileIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(path string) error{
		"a configuration": func(p string) error { return os.WriteFile(p, []byte("source:\n  kind: realtime\n"), 0o600) },
		"a long text":     func(p string) error { return os.WriteFile(p, bytes.Repeat([]byte("something else "), 10_000), 0o600) },
		"a word":          func(p string) error { return os.WriteFile(p, []byte("host\n"), 0o600) },
		"a program": func(p string) error {
			text, err := os.ReadFile("/proc/self/exe")
			return errors.Join(err, os.WriteFile(p, text[:1<<20], 0o700))
		},
		"another database of bbolt":                    func(p string) error { return database(p, "requests") },
		"another database of bbolt with such a bucket": func(p string) error { return database(p, "consul-raft", "meta", "table x") },
		"another file of the bridge's":                 func(p string) error { return database(p, "owners", "requests", "times") },
	} {
		for _, link := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", linked ", link), func(t *testing.T) {
				t.Parallel()
				o, m := options(t), newMemory("public.messages", "public.conversations")
				theirs := o.Path
				if link {
					theirs = filepath.Join(t.TempDir(), "theirs")
					if err := os.Symlink(theirs, o.Path); err != nil {
						t.Fatal(err)
					}
				}
				if err := make(theirs); err != nil {
					t.Fatal(err)
				}
				before, err := os.ReadFile(theirs)
				if err != nil {
					t.Fatal(err)
				}
				f := run(t, o, m)
				m.set(0, "a", "row", 1)
				if err := f.Stats().Error; !strings.Contains(err, "no file of the bridge's") || !strings.Contains(err, o.Path) {
					t.Errorf("told %q", err)
				}
				await(t, "it to be tried", func() bool { return f.Stats().Failures > 1 })
				f.stop()
				if after, err := os.ReadFile(theirs); err != nil || !bytes.Equal(before, after) {
					t.Errorf("it was changed: %v", err)
				}
				for _, aside := range []string{o.Path + ".damaged", theirs + ".damaged", theirs + ".new"} {
					if _, err := os.Lstat(aside); err == nil {
						t.Errorf("%s was made", aside)
					}
				}
				if !link {
					if info, err := os.Lstat(o.Path); err != nil || !info.Mode().IsRegular() {
						t.Errorf("it is %v, %v", info, err)
					}
				}
				if _, err := os.Lstat(theirs + ".lock"); err == nil && !strings.Contains(name, "bbolt") {
					t.Error("a lock's file was left beside it")
				}
			})
		}
	}
}

// database makes a bbolt file with these buckets.
func database(path string, buckets ...string) error {
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		return err
	}
	return errors.Join(db.Update(func(tx *bolt.Tx) error {
		for _, name := range buckets {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		return nil
	}), db.Close())
}

// TestADeviceGetsNoLock: nothing is left beside a path that can never be a ledger.
func TestADeviceGetsNoLock(t *testing.T) {
	t.Parallel()
	o := options(t)
	if err := syscall.Mkfifo(o.Path, 0o600); err != nil {
		t.Fatal(err)
	}
	f := run(t, o, newMemory("public.messages", "public.conversations"))
	await(t, "it to be tried", func() bool { return f.Stats().Failures > 1 })
	f.stop()
	entries, err := os.ReadDir(filepath.Dir(o.Path))
	if err != nil || len(entries) != 1 {
		t.Errorf("the directory has %v, %v", entries, err)
	}
}

// TestAFileInUseIsNotDamaged: without the lock's file, or by a second name, what a living
// bridge writes is neither set aside nor replaced, and it is told whose it is.
func TestAFileInUseIsNotDamaged(t *testing.T) {
	t.Parallel()
	for name, reach := range map[string]func(o *Options) error{
		"without its lock": func(o *Options) error { return os.Remove(o.Path + ".lock") },
		"by a hard link": func(o *Options) error {
			was := o.Path
			o.Path = filepath.Join(filepath.Dir(was), "other")
			return os.Link(was, o.Path)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, m := options(t), newMemory("public.messages", "public.conversations")
			first := run(t, o, m)
			m.set(0, "theirs", "row", 1)
			await(t, "their file", func() bool { return first.Stats().Rows == 1 })
			if err := reach(&o); err != nil {
				t.Fatal(err)
			}
			before, err := os.Stat(o.Path)
			if err != nil {
				t.Fatal(err)
			}
			mine := newMemory("public.messages", "public.conversations")
			second := run(t, o, mine)
			mine.set(0, "mine", "row", 1)
			if err := second.Stats().Error; !strings.Contains(err, "another process uses it") {
				t.Errorf("told %q", err)
			}
			await(t, "it to be tried", func() bool { return second.Stats().Failures > 1 })
			if after, err := os.Stat(o.Path); err != nil || !os.SameFile(before, after) {
				t.Errorf("their file was replaced: %v", err)
			}
			if _, err := os.Stat(o.Path + ".damaged"); err == nil {
				t.Error("their file was set aside")
			}
			second.stop()
			first.stop()
		})
	}
}

// TestAnEmptyFileIsNone: a disk that was full may leave one behind.
func TestAnEmptyFileIsNone(t *testing.T) {
	t.Parallel()
	o := options(t)
	if err := os.WriteFile(o.Path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, l, f := load(t, o); l.Lost != "" || f.Stats().Error != "" {
		t.Errorf("%+v, %q", l, f.Stats().Error)
	}
}

// TestAFileInUse: it is another process's as long as that runs, and what it has is not
// taken for ours.
func TestAFileInUse(t *testing.T) {
	t.Parallel()
	o, m := options(t), newMemory("public.messages", "public.conversations")
	first := run(t, o, m)
	m.set(0, "theirs", "row", 1)
	await(t, "their file", func() bool { return first.Stats().Rows == 1 })

	var log bytes.Buffer
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	mine := newMemory("public.messages", "public.conversations")
	second := New(o)
	mine.file, second.rows = second, mine
	rows := 0
	if l := second.Load(t.Context(), func(string, string, []byte) { rows++ }); l.Lost != "" || rows != 0 {
		t.Errorf("%d rows of theirs, %+v", rows, l)
	}
	if err := second.flush(); !errors.Is(err, errLocked) {
		t.Errorf("flush: %v", err)
	}
	if e := second.Stats().Error; !strings.Contains(e, "another process uses it") || !strings.Contains(e, "ledger.file") || !strings.Contains(e, o.Path) {
		t.Errorf("the error is %q", e)
	}
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("%d lines are logged:\n%s", n, log.String())
	}
	mine.set(0, "mine", "row", 1)
	first.stop()
	// A process that another test starts in this moment has the lock until it runs its own
	// program.
	await(t, "their end", func() bool { return !errors.Is(second.flush(), errLocked) })
	if err := second.Stats().Error; err != "" {
		t.Errorf("after their end: %q", err)
	}
	second.end()
	got, _, _ := load(t, o)
	same(t, got, mine.texts())
}

// TestAPathThatCannotBeWritten: nothing but the file fails, in clear words; and as soon
// as it can be written, all of it is.
func TestAPathThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	o, m := options(t), newMemory("public.messages", "public.conversations")
	dir := filepath.Join(filepath.Dir(o.Path), "missing")
	o.Path = filepath.Join(dir, "ledger")
	f := New(o)
	m.file, f.rows = f, m
	t.Cleanup(f.end)
	if l := f.Load(t.Context(), func(string, string, []byte) {}); l.Lost != "" {
		t.Errorf("lost %q", l.Lost)
	}
	m.set(0, "a", "row", 1)
	if err := f.flush(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("flush: %v", err)
	}
	if s := f.Stats(); !strings.Contains(s.Error, o.Path) || !strings.Contains(s.Error, "ledger.file") || s.Failures == 0 || s.Writes > 0 {
		t.Errorf("%+v", s)
	}
	m.set(1, "b", "row", 1)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := f.flush(); err != nil || f.Stats().Error != "" {
		t.Errorf("then %v, %q", err, f.Stats().Error)
	}
	// Somebody deletes it while it is in use.
	if err := os.Remove(o.Path); err != nil {
		t.Fatal(err)
	}
	m.set(1, "c", "row", 1)
	if err := f.flush(); err != nil {
		t.Error(err)
	}
	f.end()
	got, _, _ := load(t, o)
	same(t, got, m.texts())
}

// TestWhatIsNoFileIsNotReplaced: a directory, or a device.
func TestWhatIsNoFileIsNotReplaced(t *testing.T) {
	t.Parallel()
	o, m := options(t), newMemory("public.messages", "public.conversations")
	if err := os.Mkdir(o.Path, 0o700); err != nil {
		t.Fatal(err)
	}
	f := run(t, o, m)
	await(t, "the error", func() bool { return strings.Contains(f.Stats().Error, "no regular file") })
	f.stop()
	if info, err := os.Stat(o.Path); err != nil || !info.IsDir() {
		t.Errorf("it is %v, %v", info, err)
	}
}

// TestAReadOnlyDisk: what is there is read all the same. The lock cannot be made, which
// is what a read-only disk comes to.
func TestAReadOnlyDisk(t *testing.T) {
	t.Parallel()
	o, m := options(t), newMemory("public.messages", "public.conversations")
	first := run(t, o, m)
	m.set(0, "a", "row", 1)
	first.stop()
	lock := o.Path + ".lock"
	if err := errors.Join(os.Remove(lock), os.Mkdir(lock, 0o700)); err != nil {
		t.Fatal(err)
	}
	rows, l, f := load(t, o)
	same(t, rows, m.texts())
	if l.Lost != "" || !strings.Contains(f.Stats().Error, "ledger.file") {
		t.Errorf("%+v, %q", l, f.Stats().Error)
	}
}

// TestMarkingDoesNotWait: neither for the disk nor for what is being written.
func TestMarkingDoesNotWait(t *testing.T) {
	t.Parallel()
	o, m := options(t), newMemory("public.messages", "public.conversations")
	writing, goOn := make(chan struct{}), make(chan struct{})
	m.rows[ref{"public.messages", "first"}] = memoryRow{"row", 1}
	first := true
	m.block = func() {
		if first {
			first = false
			close(writing)
			<-goOn
		}
	}
	f := run(t, o, m)
	<-writing
	m.set(0, "second", "row", 2)
	for i := range 2 * maxPending {
		f.Mark(0, strconv.Itoa(i)) // gone before they were written
	}
	if p := f.Stats().Pending; p > maxPending {
		t.Errorf("%d rows wait to be written", p)
	}
	close(goOn)
	f.stop()
	rows, _, _ := load(t, o)
	same(t, rows, m.texts())
}
