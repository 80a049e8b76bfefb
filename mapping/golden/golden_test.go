package golden_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/mapping"
	"chatbridge/mapping/internal/pipelinetest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write the golden files' events anew")

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// minimum is how many cases there must be: a glob that finds none must not
// pass.
const minimum = 60

func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.txt")
	if err != nil || len(files) < minimum {
		t.Fatalf("found %d golden files, want at least %d (%v)", len(files), minimum, err)
	}
	paths := make(chan *pipelinetest.Pipeline, 2) // how many cases run at once; nil is one to be made
	for range cap(paths) {
		paths <- nil
	}
	t.Cleanup(func() {
		for range cap(paths) {
			if p := <-paths; p != nil {
				if err := p.Stop(); err != nil {
					t.Error("stop:", err)
				}
			}
		}
	})
	for _, file := range files {
		preset := filepath.Base(filepath.Dir(file))
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(preset+"/"+name, func(st *testing.T) {
			st.Parallel()
			p := <-paths
			if p == nil {
				var err error
				if p, err = pipelinetest.New(t); err != nil {
					paths <- nil
					st.Fatal(err)
				}
			}
			// A path on which something went wrong is not used again.
			next := (*pipelinetest.Pipeline)(nil)
			defer func() {
				if next == nil {
					_ = p.Stop()
				}
				paths <- next
			}()
			runCase(st, p, preset, file)
			next = p
		})
	}
}

// goldenCase is one file.
type goldenCase struct {
	archive *txtar.Archive
	options map[string]string
}

func load(t *testing.T, file string) goldenCase {
	t.Helper()
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c := goldenCase{archive: a, options: map[string]string{}}
	for _, line := range strings.Split(string(a.Comment), "\n") {
		if key, value, ok := strings.Cut(line, ": "); ok && slices.Contains([]string{"identity", "publish", "lookup"}, key) {
			c.options[key] = value
		}
	}
	for _, f := range a.Files {
		if !slices.Contains([]string{"setup.sql", "test.sql", "mapping.yaml", "warnings.txt", "events.jsonl"}, f.Name) {
			t.Fatalf("%s: there is no section %q", file, f.Name)
		}
	}
	return c
}

func (c goldenCase) section(name string) string {
	for _, f := range c.archive.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

func (c goldenCase) setSection(name, text string) {
	for i, f := range c.archive.Files {
		if f.Name == name {
			c.archive.Files[i].Data = []byte(text)
			return
		}
	}
	c.archive.Files = append(c.archive.Files, txtar.File{Name: name, Data: []byte(text)})
}

// crmSetup makes the CRM's rows repeatable: without the trigger updated_at is
// what the case says.
const crmSetup = `
alter table conversations disable trigger conversations_updated_at;
alter table contacts disable trigger contacts_updated_at;
alter table conversations alter created_at set default '2026-01-01', alter updated_at set default '2026-01-01';
alter table contacts alter created_at set default '2026-01-01', alter updated_at set default '2026-01-01';
alter table messages alter created_at set default '2026-01-02';
`

const chatengineSetup = `
alter table conversations alter updated_at set default '2026-01-01';
alter table messages alter created_at set default '2026-01-02';
`

// setups are the tables of each preset.
var setups = map[string][]string{
	"crm": {schemas.CRM, crmSetup}, "chatengine": {schemas.ChatEngine, chatengineSetup},
	"chatwoot": {schemas.Chatwoot}, "evolution": {schemas.Evolution},
}

func (c goldenCase) setup(preset string) []string {
	var out []string
	out = append(out, setups[preset]...)
	messages, conversations := c.both(preset)
	if id := c.options["identity"]; id != "" {
		out = append(out, "alter table "+messages+" replica identity "+id+"; alter table "+conversations+" replica identity "+id)
	}
	return append(out, c.section("setup.sql"))
}

// both are the names of the two tables that make events.
func (c goldenCase) both(preset string) (messages, conversations string) {
	if preset == "evolution" {
		return `public."Message"`, `public."Chat"`
	}
	return "public.messages", "public.conversations"
}

// tables are what is published.
func (c goldenCase) tables(preset string) string {
	messages, conversations := c.both(preset)
	tables := messages + ", " + conversations
	if more := c.options["publish"]; more != "" {
		tables += ", " + more
	}
	return tables
}

func runCase(t *testing.T, p *pipelinetest.Pipeline, preset, file string) {
	t.Helper()
	c := load(t, file)
	spec, err := mapping.Load(preset, "")
	if own := c.section("mapping.yaml"); own != "" {
		spec, err = mapping.Parse(preset, "mapping.yaml", []byte(own))
	}
	if err != nil {
		t.Fatal(err)
	}
	l, err := p.Reset(t.Context(), spec, c.options["lookup"] != "none", c.setup(preset), c.tables(preset))
	if err != nil {
		t.Fatal(err)
	}
	for i, block := range blocks(c.section("test.sql")) {
		if err := p.Run(t.Context(), i+1, block); err != nil {
			t.Fatal(err)
		}
	}
	if l != nil && l.Stats().LastError != nil {
		t.Error("a lookup failed:", l.Stats().LastError)
	}
	got, warnings := strings.Join(p.Lines, ""), strings.Join(p.Warnings, "")
	if *update {
		c.setSection("events.jsonl", got)
		if warnings != "" {
			c.setSection("warnings.txt", warnings)
		}
		if err := os.WriteFile(file, txtar.Format(c.archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := c.section("events.jsonl"); got != want {
		t.Errorf("%sevents differ (- want, + got):\n%s", c.archive.Comment, cmp.Diff(pretty(want), pretty(got)))
	}
	if want := c.section("warnings.txt"); warnings != want {
		t.Errorf("warnings differ (- want, + got):\n%s", cmp.Diff(want, warnings))
	}
	for _, line := range p.Lines {
		checkContract(t, line)
	}
}

// blocks are the transactions of a case: what stands between blank lines.
func blocks(sql string) []string {
	var out []string
	for _, b := range strings.Split(sql, "\n\n") {
		if strings.TrimSpace(b) != "" {
			out = append(out, b)
		}
	}
	return out
}

// pretty indents events for the diff, one after the other.
func pretty(lines string) string {
	var b bytes.Buffer
	for _, line := range strings.Split(strings.TrimSpace(lines), "\n") {
		if json.Indent(&b, []byte(line), "", "  ") != nil {
			b.WriteString(line)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
