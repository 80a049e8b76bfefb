package configs_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"chatbridge/configs"
)

// After a reload the daemon has its secrets from the copies that this has made, and the
// others from where systemd put them at the start.
func TestRefreshedCredentials(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"start/auth.chatengine_secret": "old", "start/source.postgres.url": "postgres://u:p@h/db", "start/tls.crt": "", "start/tls.key": "",
		"run/auth.chatengine_secret": "new\nold", "run/tls.crt": "",
		"bridge.yaml": "tls: {cert_file: DIR/start/tls.crt, key_file: DIR/start/tls.key}\n",
	} {
		put(t, dir, name, content)
	}
	s := configs.Sources{File: filepath.Join(dir, "bridge.yaml"), Env: []string{"CREDENTIALS_DIRECTORY=" + dir + "/start", "RUNTIME_DIRECTORY=" + dir + "/run:/another"}}
	c := load(t, s)
	if !slices.Equal(c.Auth.ChatEngineSecrets, []configs.Secret{"new", "old"}) || c.Source.Postgres.URL == "" {
		t.Errorf("%q, %v", c.Auth.ChatEngineSecrets, c.Redacted())
	}
	if c.TLS.CertFile != dir+"/run/tls.crt" || c.TLS.KeyFile != dir+"/start/tls.key" {
		t.Errorf("%+v", c.TLS)
	}
	// A command beside it reads what the daemon's next reload would.
	s.Installed = true
	if c := load(t, s); !slices.Equal(c.Auth.ChatEngineSecrets, []configs.Secret{"old"}) {
		t.Errorf("a command has %q", c.Auth.ChatEngineSecrets)
	}
	put(t, dir, "run/auth.chatengine_secret", "\n")
	s.Installed = false
	if p := problems(t, s)["auth.chatengine_secret"]; !strings.Contains(p.Reason, "empty") {
		t.Errorf("%v", p)
	}
}

// The unit that is reloaded is read whatever has been copied of its files.
func TestReloadedUnit(t *testing.T) {
	t.Parallel()
	dir, env := install(t, map[string]string{
		"bridge.yaml":                              "cors: {origins: [https://crm.example]}\ntls: {cert_file: /run/credentials/bridge@8081.service/tls.crt, key_file: DIR/start/tls.key}\n",
		"units/bridge@.service":                    "[Service]\nExecStart=/usr/local/bin/bridge serve --config DIR/bridge.yaml\nLoadCredential=source.postgres.url:DIR/database_url\nStateDirectory=chatbridge-%i\n",
		"units/bridge@.service.d/more.conf":        "[Service]\nLoadCredential=admin.token:DIR/never\nLoadCredential=tls.crt:DIR/tls.crt\nLoadCredential=tls.key:DIR/tls.key\n",
		"units/bridge@8081.service.d/more.conf":    "[Service]\nLoadCredential=admin.token:DIR/token-%i\nLoadCredential=tls.crt:DIR/tls.crt\nLoadCredential=tls.key:DIR/tls.key\n",
		"units/bridge@.service.d/secret.conf":      "[Service]\nLoadCredential=auth.chatengine_secret:DIR/100%%\n",
		"units/bridge@9000.service.d/another.conf": "[Service]\nLoadCredential=\n",
		"token-8081":                               "of the instance", "100%": "percent", "start/source.postgres.url": "postgres://old@h/db", "start/auth.supabase_secret": "as it was", "tls.crt": "", "tls.key": "",
	})
	s := configs.Sources{Env: append(env, "CREDENTIALS_DIRECTORY="+dir+"/start"), Installed: true, Unit: "bridge@8081.service"}
	c := load(t, s)
	if c.Admin.Token != "of the instance" || c.Source.Postgres.URL != "postgres://u:p@127.0.0.1/db" || c.Auth.ChatEngineSecrets[0] != "percent" || c.Auth.SupabaseSecrets[0] != "as it was" {
		t.Errorf("%v", c.Redacted())
	}
	if c.TLS.CertFile != dir+"/tls.crt" || c.TLS.KeyFile != dir+"/tls.key" || c.Replay.StateFile != "/var/lib/chatbridge-8081/state" {
		t.Errorf("%+v, %s", c.TLS, c.Replay.StateFile)
	}
	put(t, dir, "token-8081", "")
	if p := problems(t, s)["admin.token"]; !strings.Contains(p.Accepted, "bridge@8081.service") {
		t.Errorf("%v", p)
	}
}

// The commands beside the daemon go by bridge.service, or by the instances where only
// these are in use.
func TestInstalledInstances(t *testing.T) {
	t.Parallel()
	const template = "[Service]\nExecStart=/usr/local/bin/bridge serve --config DIR/bridge.yaml\nLoadCredential=cluster.redis_url:DIR/redis_url\nStateDirectory=chatbridge-%i\n"
	for name, c := range map[string]struct {
		enabled []string
		alone   bool
		state   string // "": by bridge.service
	}{
		"both installed":             {},
		"both enabled":               {enabled: []string{"bridge.service", "bridge@8081.service"}},
		"instances enabled":          {enabled: []string{"bridge@8082.service", "bridge@8081.service"}, state: "/var/lib/chatbridge-8081/state"},
		"another's":                  {enabled: []string{"bridge-of-another.service", "bridges.service"}},
		"only the template is there": {alone: true, state: "none"},
	} {
		files := map[string]string{"units/bridge@.service": template, "bridge.yaml": "cluster: {name: crm}\n", "redis_url": "redis://127.0.0.1"}
		if c.state == "" {
			files["bridge.yaml"] = "{}\n"
		}
		for _, unit := range c.enabled {
			files["units/multi-user.target.wants/"+unit] = ""
		}
		dir, env := install(t, files)
		if c.alone {
			if err := os.Remove(filepath.Join(dir, "units", "bridge.service")); err != nil {
				t.Fatal(err)
			}
		}
		got := load(t, configs.Sources{Env: env, Installed: true})
		if (got.Cluster.RedisURL != "") != (c.state != "") || c.state != "" && c.state != "none" && got.Replay.StateFile != c.state || c.state == "none" && got.Replay.StateFile != "" {
			t.Errorf("%s: redis %v, state %q", name, got.Cluster.RedisURL != "", got.Replay.StateFile)
		}
	}
}

// RefreshCredentials writes for the service, into a directory that belongs to it.
func TestRefreshCredentials(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("is for systemd")
	}
	dir, env := install(t, map[string]string{"run/.source.postgres.url": "left over", "outside": "untouched", "other": ""})
	run := filepath.Join(dir, "run")
	for from, to := range map[string]string{".auth.chatengine_secret": "outside", "auth.chatengine_secret": "outside"} {
		if err := os.Symlink(filepath.Join(dir, to), filepath.Join(run, from)); err != nil {
			t.Fatal(err)
		}
	}
	service := func(vars ...string) string {
		cmd := exec.Command("sleep", "60")
		cmd.Env = vars
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		// A process has its environment a moment after Start has returned.
		for text := []byte(nil); len(text) == 0 && !t.Failed(); runtime.Gosched() {
			var err error
			if text, err = os.ReadFile(fmt.Sprintf("/proc/%d/environ", cmd.Process.Pid)); err != nil {
				t.Fatal(err)
			}
		}
		return "MAINPID=" + strconv.Itoa(cmd.Process.Pid)
	}
	c := load(t, configs.Sources{Env: env, Installed: true, Unit: "bridge.service"})
	runtimeDirectory := "RUNTIME_DIRECTORY=" + run
	for want, vars := range map[string][]string{
		"systemctl reload":  {service(runtimeDirectory)},
		"systemctl restart": {service("RUNTIME_DIRECTORY=/another"), runtimeDirectory},
	} {
		if err := c.RefreshCredentials(vars); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want: %s", err, want)
		}
	}
	if err := c.RefreshCredentials([]string{service("A=b", runtimeDirectory), runtimeDirectory}); err != nil {
		t.Fatal(err)
	}
	daemon := func() *configs.Config { return load(t, configs.Sources{Env: []string{runtimeDirectory}}) }
	if c := daemon(); c.Source.Postgres.URL != "postgres://u:p@127.0.0.1/db" || !slices.Equal(c.Auth.ChatEngineSecrets, []configs.Secret{"one", "two"}) {
		t.Errorf("the daemon has %v", c.Redacted())
	}
	entries, err := os.ReadDir(run)
	if err != nil || len(entries) != 2 {
		t.Errorf("%v, %v", entries, err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode() != 0o400 {
			t.Errorf("%s: %v, %v", e.Name(), info.Mode(), err)
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, "outside")); err != nil || string(text) != "untouched" {
		t.Errorf("a file outside holds %q, %v", text, err)
	}
	// One that cannot be copied: all stay.
	put(t, dir, "database_url", "postgres://changed@h/db")
	if err := os.Remove(filepath.Join(dir, "secret")); err != nil {
		t.Fatal(err)
	}
	if err := c.RefreshCredentials([]string{service(runtimeDirectory), runtimeDirectory}); err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "secret")) {
		t.Errorf("%v", err)
	}
	if c := daemon(); c.Source.Postgres.URL != "postgres://u:p@127.0.0.1/db" {
		t.Error("a copy was changed")
	}
}
