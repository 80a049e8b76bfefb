package opstest_test

import (
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"chatbridge/configs"
)

// command is the program to be run without being watched.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	return exec.Command(binary(t), args...)
}

// unit is a unit file: section, key, values in order.
type unit map[string]map[string][]string

func parseUnit(t *testing.T, elem ...string) unit {
	t.Helper()
	u, section := unit{}, ""
	for line := range strings.Lines(read(t, elem...)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if line[0] == '[' {
			section = strings.Trim(line, "[]")
			u[section] = map[string][]string{}
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			t.Fatalf("%s: %q", elem, line)
		}
		u[section][key] = append(u[section][key], value)
	}
	return u
}

func (u unit) all(section, key string) []string { return slices.Clone(u[section][key]) }

func (u unit) one(section, key string) string {
	if values := u[section][key]; len(values) == 1 {
		return values[0]
	}
	return ""
}

// installed copies the units with the program's path replaced by one that
// exists here.
func installed(t *testing.T) (service, socket string) {
	t.Helper()
	dir := t.TempDir()
	service, socket = filepath.Join(dir, "bridge.service"), filepath.Join(dir, "bridge.socket")
	write(t, service, strings.ReplaceAll(read(t, "configs", "bridge.service"), "/usr/local/bin/bridge", binary(t)))
	write(t, socket, read(t, "configs", "bridge.socket"))
	return service, socket
}

func TestUnitsVerify(t *testing.T) {
	analyze := tool(t, "systemd-analyze", "systemd")
	service, socket := installed(t)
	out, err := exec.Command(analyze, "verify", "--man=no", service, socket).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

func TestUnitIsASandbox(t *testing.T) {
	analyze := tool(t, "systemd-analyze", "systemd")
	service, _ := installed(t)
	out, err := exec.Command(analyze, "security", "--offline=true", "--no-pager", service).CombinedOutput()
	if err != nil {
		t.Fatalf("systemd-analyze security: %v\n%s", err, out)
	}
	m := regexp.MustCompile(`Overall exposure level for bridge\.service: ([0-9.]+)`).FindSubmatch(out)
	if m == nil {
		t.Fatalf("no exposure level in:\n%s", out)
	}
	if level, err := strconv.ParseFloat(string(m[1]), 64); err != nil || level > 1.5 {
		t.Errorf("exposure %s, want 1.5 or less\n%s", m[1], out)
	}
}

// TestUnitFitsTheProgram: what the unit names exists in the program.
func TestUnitFitsTheProgram(t *testing.T) {
	u := parseUnit(t, "configs", "bridge.service")
	for key, want := range map[string]string{"Type": "notify", "DynamicUser": "yes", "Restart": "on-failure"} {
		if got := u.one("Service", key); got != want {
			t.Errorf("%s=%s, want %s", key, got, want)
		}
	}
	reload := u.all("Service", "ExecReload")
	if u.one("Service", "WatchdogSec") == "" || len(reload) != 2 || !strings.Contains(reload[1], "-HUP $MAINPID") {
		t.Fatal("WatchdogSec or ExecReload is missing")
	}
	// What is wrong is refused before the signal.
	file, run := filepath.Join(t.TempDir(), "bridge.yaml"), "RUNTIME_DIRECTORY="+t.TempDir()
	service := exec.Command("sleep", "60")
	service.Env = []string{run}
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { service.Process.Kill(); service.Wait() })
	for text, code := range map[string]int{"log: {level: debug}\n": 0, "log: {level: loud}\n": 1, "mapping: {file: /does/not/exist}\n": 1} {
		write(t, file, text)
		words := strings.Fields(strings.NewReplacer("/etc/chatbridge/bridge.yaml", file, "%n", "bridge.service").Replace(reload[0]))
		cmd := command(t, words[1:]...)
		cmd.Env = append(cmd.Environ(), "DATABASE_URL=postgres://u@h/d", "CHATENGINE_JWT_SECRET=0123456789abcdef0123456789abcdef",
			"SYSTEMD_UNIT_PATH="+t.TempDir(), run, "MAINPID="+strconv.Itoa(service.Process.Pid))
		if out, _ := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != code {
			t.Errorf("%s of %q ends with %d, want %d: %s", reload[0], text, cmd.ProcessState.ExitCode(), code, out)
		}
	}
	// Every credential is a secret that the configuration takes from there.
	creds := map[string]string{}
	for _, c := range u.all("Service", "LoadCredential") {
		key, _, _ := strings.Cut(c, ":")
		creds[key] = "postgres://credential-of-its-own@h/d"
	}
	if len(creds) == 0 {
		t.Error("no LoadCredential")
	}
	env := append(u.all("Service", "Environment"), "CREDENTIALS_DIRECTORY="+credentials(t, creds))
	c, err := configs.Load(configs.Sources{Env: env, Complete: true})
	if err != nil {
		t.Fatalf("the unit's environment and credentials: %v", err)
	}
	for key := range creds {
		if from := c.Origin(key); from.Layer != configs.FromCredential {
			t.Errorf("%s comes from %v, not from the credential", key, from)
		}
	}
	if w := c.Warnings(); len(w) > 0 {
		t.Errorf("warnings: %q", w)
	}
	// It has to end before systemd kills it.
	if u.one("Service", "TimeoutStopSec") != "15s" || c.Shutdown.Grace.Seconds() > 10 {
		t.Errorf("shutdown.grace %v, TimeoutStopSec=%s", c.Shutdown.Grace, u.one("Service", "TimeoutStopSec"))
	}
	s := parseUnit(t, "configs", "bridge.socket")
	if port := s.one("Socket", "ListenStream"); ":"+port != c.Listen {
		t.Errorf("the socket unit listens on %s, the program on %s", port, c.Listen)
	}
	if name := s.one("Socket", "FileDescriptorName"); name != "public" {
		t.Errorf("FileDescriptorName=%s", name)
	}
}

// TestTemplateUnit: bridge@.service is bridge.service, but for what tells its instances
// apart; and what it names exists in the program.
func TestTemplateUnit(t *testing.T) {
	analyze := tool(t, "systemd-analyze", "systemd")
	file := filepath.Join(t.TempDir(), "bridge@8081.service")
	write(t, file, strings.ReplaceAll(read(t, "configs", "bridge@.service"), "/usr/local/bin/bridge", binary(t)))
	if out, err := exec.Command(analyze, "verify", "--man=no", file).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}

	one, template := parseUnit(t, "configs", "bridge.service"), parseUnit(t, "configs", "bridge@.service")
	const listeners, redis = "BRIDGE_LISTEN=:%i BRIDGE_ADMIN_LISTEN=127.0.0.1:1%i", "cluster.redis_url:/etc/chatbridge/redis_url"
	one["Unit"]["Description"][0] += " (port %i)"
	one["Service"]["StateDirectory"][0] += "-%i"
	one["Service"]["RuntimeDirectory"][0] += "-%i"
	one["Service"]["Environment"] = append(one["Service"]["Environment"], listeners)
	one["Service"]["LoadCredential"] = append(one["Service"]["LoadCredential"], redis)
	if !reflect.DeepEqual(one, template) {
		t.Errorf("bridge@.service differs in more than that from bridge.service:\n%v\n%v", one, template)
	}

	creds := map[string]string{
		"source.postgres.url": "postgres://u@h/d", "auth.chatengine_secret": strings.Repeat("s", 32), "cluster.redis_url": "redis://:secret@127.0.0.1:6379",
	}
	env := []string{"CREDENTIALS_DIRECTORY=" + credentials(t, creds), "STATE_DIRECTORY=/var/lib/chatbridge-8081", "BRIDGE_CLUSTER_NAME=crm"}
	for _, values := range template.all("Service", "Environment") {
		env = append(env, strings.Fields(strings.ReplaceAll(values, "%i", "8081"))...)
	}
	c, err := configs.Load(configs.Sources{Env: env, Complete: true})
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != ":8081" || c.Admin.Listen != "127.0.0.1:18081" || c.Replay.StateFile != "/var/lib/chatbridge-8081/state" || len(c.Warnings()) > 0 {
		t.Errorf("it listens at %s and %s, and keeps its place in %s; warnings %q", c.Listen, c.Admin.Listen, c.Replay.StateFile, c.Warnings())
	}
}
