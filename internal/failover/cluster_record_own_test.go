package failover_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestClusterRecord: what was shown is known to the next run of the same revision, added
// up, and is in the table; what another revision has shown is not.
func TestClusterRecord(t *testing.T) {
	dir := t.TempDir()
	document := filepath.Join(dir, "doc.md")
	t.Setenv("CLUSTER_RECORD", dir)
	t.Setenv("CLUSTER_DOC", document)
	names := faultNames()
	former := "| " + names[1] + " | 1 | 60 | 1 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 1.0 s | before |\n"
	if err := os.WriteFile(document, []byte("text\n"+clusterTableBegin+clusterColumns+former+tableEnd+"more\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var first clusterReport
	if err := first.start(); err != nil {
		t.Fatal(err)
	}
	for _, worst := range []time.Duration{2 * time.Second, time.Second} {
		first.plan(5, time.Minute)
		row := clusterRow{Fault: names[0], Times: 5, Clients: 60, Events: 10, Lost: 1, Restored: 3, Worst: worst}
		if err := first.ended(&row, 5, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	if n := first.shown(names[0]); n != 10 {
		t.Errorf("shown %d times, want 10", n)
	}
	var second clusterReport
	if err := second.start(); err != nil {
		t.Fatal(err)
	}
	if a, b := first.record.rows[names[0]], second.record.rows[names[0]]; a != b || b.Lost != 2 {
		t.Errorf("the next run knows %+v, want %+v", b, a)
	}
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	want := "text\n" + clusterTableBegin + clusterColumns + "| " + names[0] + " | 10 | 60 | 20 | 2 | 0 | 0 | 0 | 0 | 0 | 6 | 2.0 s | " +
		first.record.revision + " |\n" + former + tableEnd + "more\n"
	if string(text) != want {
		t.Errorf("the document is\n%s\nwant\n%s", text, want)
	}

	// As if another revision had shown it.
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(strings.ReplaceAll(string(text), first.record.revision, "another")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var third clusterReport
	if err := third.start(); err != nil {
		t.Fatal(err)
	}
	if n := third.shown(names[0]); n != 0 {
		t.Errorf("another revision's %d times count", n)
	}
}

// TestClusterSittings: each time is shown in one sitting, and what was shown is not shown
// again.
func TestClusterSittings(t *testing.T) {
	t.Parallel()
	f := fault{sitting: 3}
	for times, want := range map[int]int{-2: 0, 0: 0, 1: 1, 3: 1, 4: 2, 10: 4} {
		sum := 0
		all := f.sittings(times)
		for _, n := range all {
			sum += n
		}
		if len(all) != want || sum != max(times, 0) {
			t.Errorf("%d times in sittings of %v", times, all)
		}
	}
}
