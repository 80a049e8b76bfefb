package opstest_test

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"chatbridge/configs"
	"chatbridge/internal/markdown"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
)

// dockerfile is the last stage of the Dockerfile, instruction by instruction.
func dockerfile(t *testing.T) map[string][]string {
	t.Helper()
	stage := map[string][]string{}
	text := strings.ReplaceAll(read(t, "Dockerfile"), "\\\n", " ")
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == "" || name[0] == '#' {
			continue
		}
		if name == "FROM" {
			clear(stage)
		}
		stage[name] = append(stage[name], strings.Join(strings.Fields(rest), " "))
	}
	return stage
}

// TestImage runs the program as the image does, short of an engine: in a root
// that holds the binary and the certificates alone, as nobody, with nothing to
// write to but the state directory. It asks the health check in there, and stops it as Docker does.
func TestImage(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to change the root and the user")
	}
	image := dockerfile(t)
	if !slices.Equal(image["FROM"], []string{"scratch"}) || !slices.Equal(image["USER"], []string{"65534:65534"}) ||
		!slices.Equal(image["ENTRYPOINT"], []string{`["/bridge"]`}) || !slices.Equal(image["CMD"], []string{`["serve"]`}) ||
		len(image["COPY"]) != 3 || !slices.Equal(image["ENV"], []string{"STATE_DIRECTORY=/var/lib/chatbridge"}) || len(image["HEALTHCHECK"]) != 1 || !strings.HasSuffix(image["HEALTHCHECK"][0], `CMD ["/bridge", "healthcheck"]`) {
		t.Fatalf("this test plays another Dockerfile: %q", image)
	}
	dir := filepath.Join(t.TempDir(), "root")
	certs := filepath.Join(dir, "etc", "ssl", "certs")
	if err := os.MkdirAll(certs, 0o755); err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(dir, "var", "lib", "chatbridge")
	if err := errors.Join(os.MkdirAll(state, 0o755), os.Chown(state, 65534, 65534)); err != nil {
		t.Fatal(err)
	}
	copyFile(t, binary(t), filepath.Join(dir, "bridge"), 0o555)
	copyFile(t, "/etc/ssl/certs/ca-certificates.crt", filepath.Join(certs, "ca-certificates.crt"), 0o444)
	// Above it nobody else may enter: t.TempDir is for its owner alone, which
	// a changed root does not mind.
	inside := &syscall.SysProcAttr{Chroot: dir, Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}

	env := []string{
		"DATABASE_URL=" + pgtest.DB(t, schemas.CRM), "CHATENGINE_JWT_SECRET=secret", "BRIDGE_LISTEN=" + freeAddress(t),
		"BRIDGE_ADMIN_LISTEN=", image["ENV"][0],
	}
	p := start(t, setup{path: "/bridge", args: []string{"serve"}, env: env, attr: inside})
	check := func(args ...string) (string, error) {
		cmd := exec.Command("/bridge", append([]string{"healthcheck"}, args...)...)
		cmd.Env, cmd.Dir = env, "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: dir, Credential: inside.Credential}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	p.line("serving", 1)
	if out, err := check(); err != nil || out != "ok: the process serves\n" {
		t.Errorf("healthcheck: %v: %s", err, out)
	}
	ready := func() bool {
		for deadline := time.Now().Add(waitLimit); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
			if _, err := check("--ready"); err == nil {
				return true
			}
		}
		return false
	}
	if !ready() {
		out, err := check("--ready")
		t.Errorf("it does not become ready: %v: %s", err, out)
	}
	p.stop()
	if out, err := check(); err == nil || !strings.Contains(out, "connection refused") {
		t.Errorf("healthcheck of a bridge that has ended: %v: %s", err, out)
	}
	// It wrote what a restart must know, and nothing else.
	if left, err := os.ReadDir(dir); err != nil || len(left) != 3 {
		t.Errorf("the root holds %v, %v", left, err)
	}
	var left []string
	entries, err := os.ReadDir(state)
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if err != nil || !slices.Equal(left, []string{"ledger", "ledger.lock", "state"}) {
		t.Errorf("the state directory holds %v, %v", left, err)
	}
}

func copyFile(t *testing.T, from, to string, mode os.FileMode) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, mode); err != nil {
		t.Fatal(err)
	}
}

// composition is what the tests read of the compose file.
type composition struct {
	Services map[string]struct {
		Build       struct{ Args map[string]string }
		Environment map[string]string
		Ports       []string
		Volumes     []string
		Command     []string
		ReadOnly    bool     `yaml:"read_only"`
		CapDrop     []string `yaml:"cap_drop"`
		SecurityOpt []string `yaml:"security_opt"`
		StopGrace   string   `yaml:"stop_grace_period"`
		DependsOn   map[string]struct{ Condition string }
		Healthcheck struct{ Test []string }
	}
	Volumes map[string]any
}

// environment is a service's as compose would fill it in.
func environment(of map[string]string) (env []string) {
	variable := regexp.MustCompile(`\$\{(\w+)(:[-?])([^}]*)\}`)
	for name, value := range of {
		value = variable.ReplaceAllStringFunc(value, func(s string) string {
			m := variable.FindStringSubmatch(s)
			if m[2] == ":?" {
				return "0123456789abcdef0123456789abcdef"
			}
			return m[3]
		})
		env = append(env, name+"="+value)
	}
	return env
}

// TestCompose: what the compose file sets exists in the program, and the
// service is as locked up as the image allows.
func TestCompose(t *testing.T) {
	var file composition
	text := read(t, "configs", "compose.yaml")
	decode(t, text, &file)
	bridge, postgres := file.Services["bridge"], file.Services["postgres"]
	if !bridge.ReadOnly || !slices.Equal(bridge.CapDrop, []string{"ALL"}) || !slices.Contains(bridge.SecurityOpt, "no-new-privileges:true") {
		t.Errorf("the bridge's service is not locked up: %+v", bridge)
	}
	if !slices.Contains(postgres.Command, "wal_level=logical") || len(postgres.Healthcheck.Test) == 0 {
		t.Errorf("postgres: %+v", postgres)
	}
	for _, port := range slices.Concat(bridge.Ports, postgres.Ports) {
		if port != "8080:8080" && !strings.HasPrefix(port, "127.0.0.1:") {
			t.Errorf("port %s is open to everybody", port)
		}
	}
	env := environment(bridge.Environment)
	c, err := configs.Load(configs.Sources{Env: env, Complete: true})
	if err != nil {
		t.Fatalf("the bridge's environment: %v", err)
	}
	// That the port is published for this machine alone, the bridge does not know.
	if w := c.Warnings(); len(w) != 1 || !strings.Contains(w[0], "admin.token") {
		t.Errorf("warnings: %q", w)
	}
	if c.Listen != ":8080" || c.Admin.Listen != ":9090" || len(c.CORS.Origins) != 2 {
		t.Errorf("listen %s, admin %s, origins %v", c.Listen, c.Admin.Listen, c.CORS.Origins)
	}
	for arg := range bridge.Build.Args {
		if !slices.ContainsFunc(dockerfile(t)["ARG"], func(s string) bool { return strings.HasPrefix(s, arg+"=") }) {
			t.Errorf("the Dockerfile has no ARG %s", arg)
		}
	}
	for _, v := range postgres.Volumes {
		from, _, _ := strings.Cut(v, ":")
		if strings.HasPrefix(from, ".") {
			if _, err := os.Stat(root("configs", from)); err != nil {
				t.Errorf("volume %s: %v", v, err)
			}
		} else if _, ok := file.Volumes[from]; !ok {
			t.Errorf("volume %s is not declared", v)
		}
	}
}

// TestBasesArePinned: every image that the build starts from is named by its digest.
func TestBasesArePinned(t *testing.T) {
	from := regexp.MustCompile(`(?mi)^(?:FROM|#\s*syntax=)\s*(?:--\S+\s+)*(\S+)`)
	pinned := regexp.MustCompile(`@sha256:[0-9a-f]{64}$`)
	bases := from.FindAllStringSubmatch(read(t, "Dockerfile"), -1)
	if len(bases) == 0 {
		t.Fatal("no base")
	}
	for _, base := range bases {
		if base[1] != "scratch" && !pinned.MatchString(base[1]) {
			t.Errorf("%s has no digest", base[1])
		}
	}
}

// TestStagingShowsSomething runs the commands by which docs/install.md shows that the
// composition works, on its own database with its own rows, short of an engine.
func TestStagingShowsSomething(t *testing.T) {
	var file composition
	decode(t, read(t, "configs", "compose.yaml"), &file)
	var sql []string
	for _, v := range file.Services["postgres"].Volumes {
		if from, to, _ := strings.Cut(v, ":"); strings.HasPrefix(to, "/docker-entrypoint-initdb.d/") {
			sql = append(sql, read(t, "configs", from))
		}
	}
	db := pgtest.DB(t, append(sql, sql[len(sql)-1])...) // the sample twice: that changes nothing
	listen := freeAddress(t)
	// Later ones count.
	env := append(environment(file.Services["bridge"].Environment), "DATABASE_URL="+db, "BRIDGE_LISTEN="+listen, "BRIDGE_ADMIN_LISTEN="+freeAddress(t),
		"BRIDGE_SOURCE_POSTGRES_SLOT=staging", "SYSTEMD_UNIT_PATH="+t.TempDir())
	p := start(t, setup{args: []string{"serve"}, env: env})
	p.line("serving", 1)
	bridge := func(args ...string) *exec.Cmd {
		cmd := command(t, args...)
		cmd.Env = env
		return cmd
	}
	for deadline := time.Now().Add(waitLimit); bridge("healthcheck", "--ready").Run() != nil; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not become ready")
		}
	}
	token, shown := "", false
	for _, b := range documents(t)["docs/install.md"].Blocks {
		for _, c := range markdown.Commands(b.Text) {
			if _, args, ok := strings.Cut(c, " exec postgres psql -U postgres -c "); ok {
				if err := pgtest.Exec(t.Context(), db, strings.Trim(args, `"`)); err != nil {
					t.Fatal(err)
				}
			}
			_, args, ok := strings.Cut(c, " exec bridge /bridge ")
			words, _ := markdown.Words(strings.TrimSuffix(args, ")"))
			switch {
			case !ok:
			case words[0] == "token":
				out, err := bridge(words...).Output()
				if err != nil {
					t.Fatal(err)
				}
				token = strings.TrimSpace(string(out))
			case words[0] == "tail":
				for i, w := range words {
					words[i] = strings.NewReplacer("127.0.0.1:8080", listen, "$token", token).Replace(w)
				}
				shown = printed(t, bridge(words...), "The first event")
			}
		}
	}
	if !shown {
		t.Error("the documented commands do not show the message")
	}
}

// printed reports whether a command that runs on prints a text.
func printed(t *testing.T, cmd *exec.Cmd, text string) bool {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// Its end closes the pipe.
	timer := time.AfterFunc(waitLimit, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.Contains(lines.Text(), text) {
			return true
		}
	}
	return false
}
