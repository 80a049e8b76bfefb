package mutants

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// root is the module's.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestTheListFits: every text is in its file exactly once, what takes its place
// is Go, and every test that is to notice exists.
func TestTheListFits(t *testing.T) {
	if err := errors.Join(Check(root(t), All())...); err != nil {
		t.Error(err)
	}
	if n := len(All()); n < 60 {
		t.Errorf("%d mutants, want at least 60", n)
	}
}

// TestSomeAreKilled runs those whose tests are the quickest; all of them are
// for `make mutants`.
func TestSomeAreKilled(t *testing.T) {
	r := &Runner{Root: root(t), Temp: t.TempDir()}
	for _, name := range []string{"replay: a resumed session gets its last event again", "auth: an answer is remembered for ever"} {
		m := find(t, name)
		res, err := r.Run(t.Context(), m)
		if err != nil || res.Outcome != Killed || len(res.By) == 0 {
			t.Errorf("%s: %s by %v, %v\n%s", name, res.Outcome, res.By, err, res.Output)
		}
	}
}

func find(t *testing.T, name string) Mutant {
	t.Helper()
	for _, m := range All() {
		if m.Name == name {
			return m
		}
	}
	t.Fatalf("no mutant is called %q", name)
	return Mutant{}
}

// TestToolNotices: what survives, what does not build, and tests that fail or
// are not there.
func TestToolNotices(t *testing.T) {
	r := &Runner{Root: root(t), Temp: t.TempDir()}
	harmless := Mutant{
		Name: "harmless", File: "bridge/replay/space.go", Package: "bridge/replay", Tests: []string{"TestWindowEvicts"},
		Old: "// evict forgets the oldest entry", New: "// evict drops the oldest entry",
	}
	res, err := r.Run(t.Context(), harmless)
	if err != nil || res.Outcome != Survived {
		t.Errorf("a change of a comment: %s, %v", res.Outcome, err)
	}
	broken := harmless
	broken.Old, broken.New = "f := Floor{Seq: e.seq + 1,", "f := Floor{Seq: nothing,"
	if res, err := r.Run(t.Context(), broken); err != nil || res.Outcome != NotBuilt {
		t.Errorf("what does not build: %s, %v\n%s", res.Outcome, err, res.Output)
	}
	hanging := harmless
	hanging.Old, hanging.New = "\ts.lost++\n", "\tselect {}\n"
	quick := &Runner{Root: r.Root, Temp: r.Temp, Timeout: 1e9}
	if res, err := quick.Run(t.Context(), hanging); err != nil || res.Outcome != Killed {
		t.Errorf("what hangs: %s, %v\n%s", res.Outcome, err, res.Output)
	}
	absent := harmless
	absent.Tests = []string{"TestWindowEvicts", "TestOfNothing"}
	if err := r.Baseline(t.Context(), []Mutant{absent}); err == nil || !strings.Contains(err.Error(), "TestOfNothing did not run") {
		t.Errorf("a test that does not exist: %v", err)
	}
}

func TestListThatIsOutOfDate(t *testing.T) {
	good := find(t, "replay: an evicted message raises no floor")
	for name, change := range map[string]func(m *Mutant){
		"not there":    func(m *Mutant) { m.Old = "no such text" },
		"often":        func(m *Mutant) { m.Old = "s.size" },
		"nothing":      func(m *Mutant) { m.New = m.Old },
		"no Go":        func(m *Mutant) { m.New = "}" },
		"no file":      func(m *Mutant) { m.File = "nowhere.go" },
		"no test":      func(m *Mutant) { m.Tests = []string{"TestOfNothing"} },
		"no reason":    func(m *Mutant) { m.Why = "" },
		"none to kill": func(m *Mutant) { m.Tests = nil },
	} {
		m := good
		change(&m)
		if len(Check(root(t), []Mutant{m})) == 0 {
			t.Errorf("%s: the list is said to fit", name)
		}
	}
	if len(Check(root(t), []Mutant{good, good})) == 0 {
		t.Error("two of one name are said to fit")
	}
}

// TestTheDocumentKeepsWhatWasNotTried: the rows of the others stay, in the order of the
// list, those of mutants that are gone do not, and the sums are of all.
func TestTheDocumentKeepsWhatWasNotTried(t *testing.T) {
	t.Parallel()
	list := []Mutant{{Name: "a: 1", Why: "w"}, {Name: "a: 2", Why: "w"}, {Name: "b: 3", Why: "w"}}
	former := Document(append(list[:2:2], Mutant{Name: "gone"}), []Result{
		{Mutant: Mutant{Name: "gone"}, Outcome: Killed, By: []string{"TestX"}},
		{Mutant: list[0], Outcome: Survived, Took: time.Second},
		{Mutant: list[1], Outcome: Killed, By: []string{"TestOld"}, Took: time.Second},
	}, "")
	now := Document(list, []Result{{Mutant: list[2], Outcome: Killed, By: []string{"TestNew"}, Took: 2 * time.Second}}, former)
	at := 0
	for _, want := range []string{"2 of 3 are killed; their tests took 4 s", "| a: 1 | w | `` | **survived** | 1.0 |\n", "| a: 2 | w | `` | `TestOld` | 1.0 |\n", "| b: 3 | w | `` | `TestNew` | 2.0 |\n"} {
		i := strings.Index(now[at:], want)
		if i < 0 {
			t.Fatalf("there is no %q after byte %d of\n%s", want, at, now)
		}
		at += i
	}
	if strings.Contains(now, "gone") {
		t.Errorf("a mutant that is gone has a row:\n%s", now)
	}
}
