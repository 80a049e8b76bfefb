package opstest_test

import (
	"context"
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"chatbridge/configs"
	"chatbridge/internal/markdown"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/internal/throwaway/redistest"
	"chatbridge/mapping"

	"github.com/jackc/pgx/v5"
)

// notRun says why a block is not run, by its page and first line.
var notRun = map[string]string{
	"docs/mapping.md: message:                        # the table of messages": "an outline, with … for what is left out",
	"docs/postgres.md: ALTER SYSTEM SET primary_slot_name = 'standby1';":       "settings of Postgres 17, of a whole server; the tests of failover slots in source/postgres give them to one",
}

// notHere says why a program that the documents call is not run by this test.
var notHere = map[string]string{
	"docker":     "takes an engine: TestImage plays the Dockerfile, TestCompose reads the compose file",
	"kubectl":    "takes a cluster",
	"helm":       "is compiled for it, which takes minutes: make chart checks the chart",
	"dpkg":       "installs on the machine: make bare LEGS=package does, in a chroot",
	"apt-get":    "installs on the machine: make bare LEGS=first does, in a chroot",
	"systemctl":  "takes a systemd: make bare LEGS=first has one. Verbs and units are looked at here",
	"journalctl": "reads the machine's journal",
	"curl":       "asks a running bridge: its paths are looked at here",
	"su":         "is another user: make bare LEGS=first runs it, in a chroot",
	"sed":        "changes what a package installed: make bare LEGS=first runs it, in a chroot",
	"python3":    "serves a page: make bare LEGS=first has it do so, in a chroot",
}

// dropIn looks at lines for a unit: each credential is a secret of the configuration.
func dropIn(t *testing.T, text string) {
	t.Helper()
	files := map[string]string{}
	for line := range strings.Lines(text) {
		value, is := strings.CutPrefix(strings.TrimSpace(line), "LoadCredential=")
		if id, file, named := strings.Cut(value, ":"); is && value != "" {
			if !named || !filepath.IsAbs(file) {
				t.Errorf("%q names no file", line)
			}
			files[id] = "postgres://u@h/d"
		}
	}
	c, err := configs.Load(configs.Sources{Env: []string{"CREDENTIALS_DIRECTORY=" + credentials(t, files)}})
	if err != nil {
		t.Fatal(err)
	}
	for id := range files {
		if c.Origin(id).Layer != configs.FromCredential {
			t.Errorf("%s is no secret's name", id)
		}
	}
}

// TestBlocksOfTheDocuments runs what the documents show: shell in a folder of its own
// that stands for the root of the file system, SQL on a real Postgres, settings by
// whoever reads them. What cannot be run is in the tables above, with the reason.
func TestBlocksOfTheDocuments(t *testing.T) {
	db := pgtest.DB(t, schemas.CRM)
	skipped := map[string]bool{}
	programs := map[string]bool{}
	for _, page := range slices.Sorted(maps.Keys(documents(t))) {
		var sql []string
		dir := t.TempDir()
		for _, b := range documents(t)[page].Blocks {
			name := page + ": " + b.First()
			if notRun[name] != "" {
				skipped[name] = true
				continue
			}
			at := func(t *testing.T) { t.Logf("%s:%d", page, b.Line) }
			if b.Language == "" && page == "ARCHITECTURE.md" {
				continue // drawings
			}
			switch b.Language {
			case "", "sh", "console":
				t.Run(name, func(t *testing.T) { at(t); shell(t, dir, db, b, programs) })
			case "yaml":
				t.Run(name, func(t *testing.T) { at(t); settings(t, b.Text) })
			case "sql":
				sql = append(sql, b.Text)
			case "json":
				if !json.Valid([]byte(b.Text)) {
					t.Errorf("%s:%d is no JSON", page, b.Line)
				}
			case "go":
				if _, err := parser.ParseFile(token.NewFileSet(), page, "package p\nfunc f() {\n"+b.Text+"}\n", 0); err != nil {
					t.Errorf("%s:%d: %v", page, b.Line, err)
				}
			case "redis":
				t.Run(name, func(t *testing.T) { at(t); redis(t, b.Text) })
			case "ini":
				t.Run(name, func(t *testing.T) { at(t); dropIn(t, b.Text) })
			case "text":
			default:
				t.Errorf("%s:%d: nobody checks a block of %q", page, b.Line, b.Language)
			}
		}
		if len(sql) > 0 {
			t.Run(page+": SQL", func(t *testing.T) { statements(t, db, sql) })
		}
	}
	for name := range notRun {
		if !skipped[name] {
			t.Errorf("no document has the block %q any more", name)
		}
	}
	for program := range notHere {
		if !programs[program] {
			t.Errorf("no document calls %s any more", program)
		}
	}
}

// shell checks a block of commands.
func shell(t *testing.T, dir, db string, b markdown.Block, programs map[string]bool) {
	text := strings.ReplaceAll(b.Text, "$ ", "")
	if out, err := exec.Command("bash", "-n", "-c", text).CombinedOutput(); err != nil {
		t.Fatalf("bash does not understand it: %s", out)
	}
	var script []string
	for _, command := range markdown.Commands(text) {
		if m := regexp.MustCompile(`^\w+=\$\((.*)\)$`).FindStringSubmatch(command); m != nil {
			command = m[1]
		}
		words, _ := markdown.Words(command)
		for len(words) > 1 && (regexp.MustCompile(`^[A-Z_]+=`).MatchString(words[0]) || words[0] == "sudo") {
			words = words[1:]
		}
		switch program := filepath.Base(words[0]); program {
		case "make":
			cmd := exec.Command("make", append([]string{"-n"}, words[1:]...)...)
			cmd.Dir = root()
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v: %s", command, err, out)
			}
		case "go":
			goTest(t, words)
		case "bridge":
			if runs(words[1:]) {
				script = append(script, command)
			}
		case "export", "unset", "install", "cp", "echo":
			script = append(script, command)
		case "systemctl":
			programs[program] = true
			systemctl(t, words[1:])
		case "curl":
			programs[program] = true
			at, err := url.Parse("http://" + words[len(words)-1])
			if i := slices.IndexFunc(words, func(w string) bool { return strings.Contains(w, "127.0.0.1") }); i >= 0 {
				at, err = url.Parse("http://" + strings.TrimPrefix(words[i], "http://"))
			}
			if err != nil || at.Host != "127.0.0.1:9090" && at.Host != "127.0.0.1:8080" || !slices.Contains([]string{"/status", "/metrics", "/healthz", "/readyz", "/"}, at.Path) {
				t.Errorf("%s: the bridge has no %s, %v", command, words, err)
			}
		default:
			if notHere[program] == "" {
				t.Errorf("%s: nobody checks %s", command, program)
			}
			programs[program] = true
		}
	}
	if slices.ContainsFunc(script, func(s string) bool { return !strings.HasPrefix(s, "export ") }) {
		sandbox(t, dir, db, strings.Join(script, "\n"))
	}
}

// runs reports whether a command of the program ends by itself, with a database alone.
// The tests of cmd/bridge run the others, and hold all to what the program understands.
func runs(args []string) bool {
	switch args[0] {
	case "check", "setup", "token", "map":
		return !slices.Contains(args, "--apply")
	}
	return false
}

// sandbox runs commands in a folder that stands for the file system's root, and for the
// folder with the source: absolute paths lead into it. The blocks of a page share it.
func sandbox(t *testing.T, dir, db, script string) {
	for _, sub := range []string{"bin", "usr/local/bin", "etc/systemd/system", "etc/chatbridge"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"bin/bridge", "usr/local/bin/bridge"} {
		copyFile(t, binary(t), filepath.Join(dir, name), 0o755)
	}
	source, err := filepath.Abs(root("configs"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(source, filepath.Join(dir, "configs")); err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "prod-ca-2021.crt"), "a certificate")
	write(t, filepath.Join(dir, "my.yaml"), "message:\n  members:\n    id: [external_id, id]\n")
	// What stands for the reader's own.
	script = regexp.MustCompile(`(^|\s)/(etc|usr|var)/`).ReplaceAllString(script, "${1}"+dir+"/$2/")
	script = regexp.MustCompile(`(?m)^(\s*)sudo `).ReplaceAllString(script, "$1")
	script = regexp.MustCompile(`postgres://[^'"\s]*(…|\.\.\.|@127\.0\.0\.1:5432)[^'"\s]*`).ReplaceAllLiteralString(script, db)
	script = regexp.MustCompile(`(=|<<< )'(…|\.\.\.)'`).ReplaceAllString(script, "$1'0123456789abcdef0123456789abcdef'")
	cmd := exec.Command("bash", "-eu", "-o", "pipefail", "-c", script)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + filepath.Join(dir, "usr/local/bin") + ":" + os.Getenv("PATH"), "HOME=" + dir, "SYSTEMD_UNIT_PATH=" + filepath.Join(dir, "etc/systemd/system"),
		"DATABASE_URL=" + db, "CHATENGINE_JWT_SECRET=0123456789abcdef0123456789abcdef", "BRIDGE_CORS_ORIGINS=https://app.example.com",
		"BRIDGE_LISTEN=" + freeAddress(t), "BRIDGE_ADMIN_LISTEN=" + freeAddress(t),
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v:\n%s\n%s", err, script, out)
	}
}

// goTest checks that the tests that a command runs exist.
func goTest(t *testing.T, words []string) {
	i := slices.Index(words, "-run")
	if len(words) < 3 || words[1] != "test" || i < 0 {
		t.Fatalf("%q is no `go test PACKAGE -run NAME`", words)
	}
	at := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, "./") })
	files, _ := filepath.Glob(filepath.Join(root(words[at]), "*_test.go"))
	var source strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(text)
	}
	for name := range strings.SplitSeq(words[i+1], "|") {
		if !regexp.MustCompile(`(?m)^func \w*` + name).MatchString(source.String()) {
			t.Errorf("%s has no test %s", words[at], name)
		}
	}
}

// systemctl checks verbs and units.
func systemctl(t *testing.T, args []string) {
	verb, units := args[0], args[1:]
	if !slices.Contains([]string{"start", "stop", "restart", "reload", "status", "enable", "disable", "daemon-reload"}, verb) || (verb == "daemon-reload") != (len(units) == 0) {
		t.Errorf("systemctl %q", args)
	}
	for _, u := range units {
		if strings.HasPrefix(u, "--") || u == "postgresql" {
			continue
		}
		if filepath.Ext(u) == "" {
			u += ".service"
		}
		if _, err := os.Stat(root("configs", u)); err != nil {
			t.Errorf("there is no unit %s: %v", u, err)
		}
	}
}

// settings gives YAML to whoever reads it.
func settings(t *testing.T, text string) {
	var top map[string]any
	decode(t, text, &top)
	if len(top) == 0 {
		t.Fatal("it is empty")
	}
	file := filepath.Join(t.TempDir(), "file.yaml")
	write(t, file, text)
	switch {
	case top["scrape_configs"] != nil:
		if out, err := exec.Command(tool(t, "promtool", "prometheus"), "check", "config", "--syntax-only", file).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	case top["message"] != nil || top["words"] != nil || top["conversation"] != nil || top["references"] != nil:
		if _, err := mapping.Parse("crm", "docs", []byte(text)); err != nil {
			t.Error(err)
		}
	default:
		// Files of secrets are the reader's; the rest is as it stands.
		secret := filepath.Join(filepath.Dir(file), "secret")
		write(t, secret, "postgres://u@h/d\n")
		text = regexp.MustCompile(`(_file:) \S+`).ReplaceAllString(text, "$1 "+secret)
		text = strings.NewReplacer("<ref>", "abcdefgh", "…", "0123").Replace(text)
		write(t, file, text)
		if _, err := configs.Load(configs.Sources{File: file}); err != nil {
			t.Error(err)
		}
	}
}

// statements runs the SQL of a page, one block after the other, in one transaction that
// is rolled back. What has parameters is prepared; what takes no transaction comes last.
func statements(t *testing.T, db string, blocks []string) {
	conn, err := pgx.Connect(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var alone []string
	run := func(statement string) {
		if regexp.MustCompile(`\$\d`).MatchString(statement) {
			_, err = conn.Prepare(t.Context(), "", statement)
		} else {
			_, err = conn.Exec(t.Context(), statement)
		}
		if err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	for _, block := range blocks {
		for statement := range strings.SplitSeq(block, ";\n") {
			statement = strings.TrimSpace(regexp.MustCompile(`(?m)^--.*$`).ReplaceAllString(statement, ""))
			switch {
			case statement == "":
			case strings.Contains(strings.ToLower(statement), "concurrently"):
				alone = append(alone, statement)
			default:
				run(statement)
			}
		}
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, statement := range alone {
		run(statement)
	}
}

// redis runs a command of Redis, or of Sentinel.
func redis(t *testing.T, text string) {
	server := redistest.Start(t)
	if strings.Contains(text, "+sentinel|") {
		server = redistest.Sentinel(t, "crm", server)
	}
	c := server.Client()
	args := []any{}
	for word := range strings.FieldsSeq(text) {
		args = append(args, word)
	}
	if err := c.Do(t.Context(), args...).Err(); err != nil {
		t.Error(err)
	}
}
