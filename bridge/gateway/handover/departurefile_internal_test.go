package handover

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// keptIn returns a file in the test's directory.
func keptIn(t *testing.T, log *bytes.Buffer) *departureFile {
	t.Helper()
	return &departureFile{path: filepath.Join(t.TempDir(), "departures"), log: slog.New(slog.NewTextHandler(log, nil))}
}

// again is what a later process has of the same file.
func (f *departureFile) again() *departures {
	return newDepartures(&departureFile{path: f.path, log: f.log})
}

// keeping runs departures until the returned function is called.
func (d *departures) keeping(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); d.run(ctx) }()
	return func() { cancel(); <-done }
}

// TestDeparturesOutliveARestart: of a client that had left before the process ended it is
// known when; one that was connected was cut when the process ended, or, where that was
// killed, since the last stamp.
func TestDeparturesOutliveARestart(t *testing.T) {
	for _, killed := range []bool{false, true} {
		t.Run(fmt.Sprintf("killed=%t", killed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				file := keptIn(t, &log)
				d := newDepartures(file)
				stop := d.keeping(t)
				owed := time.Now()
				d.connected("_.left.S", time.Time{})
				d.connected("an id\nof \"ChatEngine's\" \xff", time.Time{})
				d.connected("_.here.S", time.Time{})
				d.connected("_.owed.S", owed)
				d.connected("_.caught up.S", owed)
				time.Sleep(time.Hour)
				left := time.Now()
				d.ended("_.left.S", left)
				d.ended("an id\nof \"ChatEngine's\" \xff", left)
				d.caughtUp("_.caught up.S")
				time.Sleep(time.Hour + stampInterval/2)
				end := time.Now()
				if killed {
					kept, err := os.ReadFile(file.path)
					if err != nil {
						t.Fatal(err)
					}
					defer stop()
					file = keptIn(t, &log)
					if err := os.WriteFile(file.path, kept, 0o600); err != nil {
						t.Fatal(err)
					}
				} else {
					d.ended("_.here.S", end)
					stop()
				}
				time.Sleep(time.Hour)
				d = file.again()
				now := time.Now()
				for pid, want := range map[string]time.Time{"_.left.S": left, "an id\nof \"ChatEngine's\" \xff": left, "_.owed.S": owed} {
					if got := d.since(pid, now); !got.Equal(want.Add(-unnoticed)) {
						t.Errorf("%q: since %v, want %v before %v", pid, got, unnoticed, want)
					}
				}
				for _, pid := range []string{"_.here.S", "_.caught up.S"} {
					got := d.since(pid, now).Add(unnoticed)
					if got.After(end) || end.Sub(got) > stampInterval {
						t.Errorf("%q: since %v before %v, the process ended at %v", pid, unnoticed, got, end)
					}
				}
				if log.Len() > 0 {
					t.Error(log.String())
				}
				if s, err := os.Stat(file.path); err != nil || s.Mode() != 0o600 {
					t.Errorf("%v, %v", s.Mode(), err)
				}
			})
		})
	}
}

// TestDeparturesOfADamagedFile: whatever has become of the file, no client counts as cut
// later than it was.
func TestDeparturesOfADamagedFile(t *testing.T) {
	var log bytes.Buffer
	file := keptIn(t, &log)
	d := newDepartures(file)
	start := time.Now()
	at := func(minutes int) time.Time { return start.Add(time.Duration(minutes-100) * time.Minute) }
	d.write(at(0))
	gone := engineID(at(1))
	back, here := gone+"b", "own"
	d.connected(gone, time.Time{})
	d.connected(back, time.Time{})
	d.write(at(2))
	d.ended(gone, at(3))
	d.ended(back, at(3))
	d.write(at(4))
	d.connected(back, at(2))
	d.connected(here, time.Time{})
	d.write(at(5))
	d.caughtUp(back)
	d.write(at(6))
	d.ended(back, at(7))
	d.write(at(8))
	cut := map[string]time.Time{gone: at(3), back: at(7), here: at(9)}
	text, err := os.ReadFile(file.path)
	if err != nil {
		t.Fatal(err)
	}
	file = keptIn(t, &log)
	try := func(what string, text []byte) {
		t.Helper()
		if err := os.WriteFile(file.path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		d := file.again()
		for pid, cut := range cut {
			got := d.since(pid, start)
			if got.IsZero() && pid != here || got.After(cut.Add(-unnoticed)) {
				t.Errorf("%s: %q: since %v, it was cut at %v", what, pid, got, cut)
			}
		}
	}
	try("whole", text)
	if log.Len() > 0 {
		t.Error(log.String())
	}
	for i := range text {
		try(fmt.Sprintf("cut at %d", i), text[:i])
		damaged := bytes.Clone(text)
		damaged[i] ^= 1
		try(fmt.Sprintf("another byte at %d", i), damaged)
		clear(damaged[i:min(i+40, len(damaged))])
		try(fmt.Sprintf("nothing at %d", i), damaged)
	}
	try("too long a line", append(bytes.Repeat([]byte("x"), 4*maxFileLine), text...))
	if !strings.Contains(log.String(), "a line is damaged") {
		t.Error("nothing is said of it")
	}
}

// TestDeparturesFileIsBounded: it is written anew before it is much larger than what it
// has to tell, and is not written to while nobody is connected.
func TestDeparturesFileIsBounded(t *testing.T) {
	var log bytes.Buffer
	file := keptIn(t, &log)
	d := newDepartures(file)
	now := time.Now()
	d.connected("_.here.S", time.Time{})
	for i := range maxDepartures + 10_000 {
		pid := fmt.Sprintf("_.%d.S", i)
		d.connected(pid, time.Time{})
		d.ended(pid, now)
		if i%5000 == 0 {
			d.write(now)
		}
	}
	d.write(now)
	if s, err := os.Stat(file.path); err != nil || s.Size() > 12<<20 {
		t.Errorf("%d bytes, %v", s.Size(), err)
	}
	if n := len(file.again().clients); n != maxDepartures {
		t.Errorf("%d are remembered", n)
	}
	d.ended("_.here.S", now)
	d.write(now)
	before := file.size
	d.write(now.Add(time.Hour))
	if file.size != before {
		t.Errorf("from %d to %d bytes with nobody there", before, file.size)
	}
	if log.Len() > 0 {
		t.Error(log.String())
	}
}

// TestDeparturesFileThatCannotBeWritten: it is said once, costs no client anything, and
// the file has all of it once it can be written again.
func TestDeparturesFileThatCannotBeWritten(t *testing.T) {
	var log bytes.Buffer
	dir := filepath.Join(t.TempDir(), "later")
	file := &departureFile{path: filepath.Join(dir, "departures"), log: slog.New(slog.NewTextHandler(&log, nil))}
	d := newDepartures(file)
	now := time.Now()
	d.connected("_.a.S", time.Time{})
	for range 3 {
		d.write(now)
	}
	d.ended("_.a.S", now.Add(-time.Hour))
	if n := strings.Count(log.String(), "cannot be kept"); n != 1 {
		t.Errorf("said %d times: %s", n, log.String())
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	d.write(now)
	file.f.Close() // as after an error
	d.connected("_.b.S", time.Time{})
	d.ended("_.b.S", now.Add(-2*time.Hour))
	d.write(now)
	d.write(now)
	d = file.again()
	for pid, left := range map[string]time.Time{"_.a.S": now.Add(-time.Hour), "_.b.S": now.Add(-2 * time.Hour)} {
		if got := d.since(pid, now); now.Sub(got).Round(time.Second) != now.Sub(left)+unnoticed {
			t.Errorf("%s: since %v", pid, got)
		}
	}
}

// TestAForeignDeparturesFileIsLeftAlone: it is neither read nor replaced, and that is said once.
func TestAForeignDeparturesFileIsLeftAlone(t *testing.T) {
	var log bytes.Buffer
	file := keptIn(t, &log)
	const content = "the departures of the ferry\n"
	if err := os.WriteFile(file.path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	d := newDepartures(file)
	d.connected("_.a.S", time.Time{})
	for range 3 {
		d.write(time.Now())
	}
	if text, err := os.ReadFile(file.path); err != nil || string(text) != content {
		t.Errorf("now it is %q, %v", text, err)
	}
	if n := strings.Count(log.String(), "level=WARN"); n != 1 || !strings.Contains(log.String(), "no file of the bridge's") || !strings.Contains(log.String(), "replay.state_file") {
		t.Errorf("said %d times: %s", n, log.String())
	}
	if err := os.Remove(file.path); err != nil {
		t.Fatal(err)
	}
	d.write(time.Now())
	if !file.again().since("_.a.S", time.Now()).Before(time.Now()) {
		t.Error("nothing was kept once the file was gone")
	}
}

// TestDeparturesOfTheFuture: where the clock was set back while no process ran, nothing is
// known of those that the file has.
func TestDeparturesOfTheFuture(t *testing.T) {
	var log bytes.Buffer
	file := keptIn(t, &log)
	d := newDepartures(file)
	now := time.Now()
	d.connected("_.left.S", time.Time{})
	d.connected("own", time.Time{})
	d.ended("_.left.S", now.Add(-time.Minute))
	d.write(now.Add(time.Hour))
	d = file.again()
	for _, pid := range []string{"_.left.S", "own"} {
		if got := d.since(pid, now); !got.Equal(Unknown) {
			t.Errorf("%s: since %v", pid, got)
		}
	}
}
