package configs_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"chatbridge/configs"
)

// install lays out a documented installation below a directory of the test's own, and
// returns it and the environment by which it is found.
func install(t *testing.T, files map[string]string) (dir string, env []string) {
	t.Helper()
	dir = t.TempDir()
	for name, content := range map[string]string{
		"units/bridge.service": "[Service]\nExecStart=/usr/local/bin/bridge serve --config DIR/bridge.yaml\n" +
			"#LoadCredential=auth.supabase_secret:DIR/supabase\nLoadCredential=source.postgres.url:DIR/database_url\nLoadCredential=auth.chatengine_secret:DIR/secret\n",
		"bridge.yaml": "cors: {origins: [https://crm.example]}\n", "database_url": "postgres://u:p@127.0.0.1/db\n", "secret": "one\ntwo\n",
	} {
		if _, other := files[name]; !other {
			put(t, dir, name, content)
		}
	}
	for name, content := range files {
		put(t, dir, name, content)
	}
	return dir, []string{"SYSTEMD_UNIT_PATH=" + filepath.Join(dir, "units")}
}

func put(t *testing.T, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(content, "DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestInstalled(t *testing.T) {
	t.Parallel()
	dir, env := install(t, map[string]string{
		"units/bridge.socket": "[Socket]\nListenStream=8443\nFileDescriptorName=public\n", "units/sockets.target.wants/bridge.socket": "",
		"units/bridge.service.d/more.conf": "[Service]\nLoadCredential=\\\n  admin.token:DIR/token\n", "token": "operator\n",
	})
	for _, file := range []string{"", filepath.Join(dir, "bridge.yaml")} {
		c := load(t, configs.Sources{File: file, Env: env, Installed: true, Complete: true})
		if c.Source.Postgres.URL.Reveal() != "postgres://u:p@127.0.0.1/db" || len(c.Auth.ChatEngineSecrets) != 2 || c.Admin.Token != "operator" || len(c.CORS.Origins) != 1 {
			t.Errorf("%q: %v", file, c.Redacted())
		}
		if c.Listen != ":8443" || !c.SocketActivated() {
			t.Errorf("%q listens on %s", file, c.Listen)
		}
		if from := c.Origin("source.postgres.url").String(); !strings.Contains(from, filepath.Join(dir, "database_url")) || !strings.Contains(from, "bridge.service") {
			t.Errorf("the origin is %s", from)
		}
	}
	// Files that the service keeps.
	put(t, dir, "units/bridge.service.d/state.conf", "[Service]\nStateDirectory=crm:other more\n")
	if c := load(t, configs.Sources{Env: env, Installed: true}); c.Replay.StateFile != "/var/lib/crm/state" || c.Ledger.File != "/var/lib/crm/ledger" || !c.InServiceState("ledger.file") {
		t.Errorf("state_file %s, ledger %s", c.Replay.StateFile, c.Ledger.File)
	}
	if c := load(t, configs.Sources{Env: append(env, "STATE_DIRECTORY=/own"), Installed: true}); c.Replay.StateFile != "/own/state" || c.InServiceState("replay.state_file") {
		t.Errorf("state_file %s", c.Replay.StateFile)
	}
	// systemd names the directory to a reload's check, and puts nothing there.
	if c := load(t, configs.Sources{Env: append(env, "CREDENTIALS_DIRECTORY="+t.TempDir()), Installed: true}); c.Source.Postgres.URL == "" {
		t.Error("the check of a reload has no secrets")
	}
	// What is given nearer counts.
	c := load(t, configs.Sources{Env: append(env, "DATABASE_URL=postgres://other/db", "PORT=99"), Installed: true})
	if c.Source.Postgres.URL != "postgres://other/db" || c.Listen != ":99" {
		t.Errorf("%s, %s", c.Source.Postgres.URL, c.Listen)
	}
	// Another file is another bridge's, and the daemon has its secrets from systemd.
	put(t, dir, "credentials/auth.supabase_secret", "its own")
	put(t, dir, "other.yaml", "listen: 127.0.0.1:0\n")
	for name, s := range map[string]configs.Sources{
		"another file":      {File: filepath.Join(dir, "other.yaml"), Env: env, Installed: true},
		"the daemon":        {File: filepath.Join(dir, "bridge.yaml"), Env: env},
		"in the service":    {Env: append(env, "CREDENTIALS_DIRECTORY="+filepath.Join(dir, "credentials")), Installed: true},
		"nothing installed": {Env: []string{"SYSTEMD_UNIT_PATH=" + t.TempDir()}, Installed: true},
	} {
		if c := load(t, s); c.Source.Postgres.URL != "" || len(c.Auth.ChatEngineSecrets) != 0 || c.SocketActivated() {
			t.Errorf("%s: %v", name, c.Redacted())
		}
	}
}

// A list that a drop-in takes back is gone, and a file that is missing keeps the
// service from starting, so it is a problem of the configuration.
func TestInstalledDropIns(t *testing.T) {
	t.Parallel()
	_, env := install(t, map[string]string{
		"units/bridge.service.d/10-none.conf": "[Service]\nLoadCredential=\n", "units/bridge.service.d/20-one.conf": "[Service]\nLoadCredential=source.postgres.url:DIR/missing\n",
	})
	got := problems(t, configs.Sources{Env: env, Installed: true, Complete: true})
	if p := got["source.postgres.url"]; !strings.Contains(p.Origin, "missing") || !strings.Contains(p.Accepted, "LoadCredential=") {
		t.Errorf("%v", p)
	}
	if _, has := got["auth.chatengine_secret"]; !has {
		t.Errorf("a credential that was taken back is read: %v", got)
	}
}

// To another user than root the file that cannot be read is named where its secret is
// needed, and is no obstacle where it is not.
func TestInstalledForAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can become another user")
	}
	dir, env := install(t, nil)
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"bridge.yaml", "units/bridge.service"} {
		if err := os.Chmod(filepath.Join(dir, name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	asNobody(t, func() {
		if _, err := configs.Load(configs.Sources{Env: env, Installed: true}); err != nil {
			t.Errorf("nothing was needed: %v", err)
		}
		got := problems(t, configs.Sources{Env: env, Installed: true, Complete: true})
		for key, file := range map[string]string{"source.postgres.url": "database_url", "auth.chatengine_secret": "secret"} {
			if p := got[key]; !strings.Contains(p.Reason, filepath.Join(dir, file)) || !strings.Contains(p.Reason, "as root") {
				t.Errorf("%s: %v", key, p)
			}
		}
	})
}

// asNobody runs do as a user who may read what everybody may. It changes the process,
// so the test must not run beside others.
func asNobody(t *testing.T, do func()) {
	t.Helper()
	const nobody = 65534
	if err := syscall.Setreuid(-1, nobody); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Setreuid(-1, 0); err != nil {
			panic(err)
		}
	}()
	do()
}
