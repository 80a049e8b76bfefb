package configs_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chatbridge/configs"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// write makes a file of the test's own and returns its path.
func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, s configs.Sources) *configs.Config {
	t.Helper()
	c, err := configs.Load(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// problems loads what must fail and returns its problems by key.
func problems(t *testing.T, s configs.Sources) map[string]configs.Problem {
	t.Helper()
	c, err := configs.Load(s)
	if c != nil {
		t.Error("a Config came with the error")
	}
	var e *configs.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a *configs.Error", err)
	}
	out := map[string]configs.Problem{}
	for _, p := range e.Problems {
		key := p.Key
		if key == "" {
			key = p.Origin
		}
		if before, twice := out[key]; twice {
			t.Errorf("two problems of %s: %s; %s", key, before, p)
		}
		out[key] = p
	}
	return out
}

func flags(t *testing.T, args ...string) *pflag.FlagSet {
	t.Helper()
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	configs.AddFlags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return fs
}

func shown(c *configs.Config) map[string]string {
	out := map[string]string{}
	for _, s := range c.Redacted() {
		out[s.Key] = s.Value
	}
	return out
}

// Which layer wins, for a plain setting, and what Origin says.
func TestLayers(t *testing.T) {
	t.Parallel()
	file := write(t, "bridge.yaml", "log:\n  level: debug\nreplay:\n  window: 2m\nlisten: :1\n")
	env := []string{"BRIDGE_REPLAY_WINDOW=3m", "PORT=2", "HOME=/root"}
	c := load(t, configs.Sources{File: file, Env: env, Flags: flags(t, "--listen=:3")})
	for _, want := range []struct{ key, value, origin string }{
		{"path", "/api/ws", "default"},
		{"log.level", "debug", "bridge.yaml:2"},
		{"replay.window", "3m", "environment BRIDGE_REPLAY_WINDOW"},
		{"listen", ":3", "flag --listen"},
	} {
		if got := shown(c)[want.key]; got != want.value {
			t.Errorf("%s = %q, want %q", want.key, got, want.value)
		}
		if got := c.Origin(want.key).String(); got != want.origin {
			t.Errorf("origin of %s: %q, want %q", want.key, got, want.origin)
		}
	}
	if c.Replay.Window != 3*time.Minute {
		t.Errorf("Replay.Window = %v", c.Replay.Window)
	}
}

func TestAliases(t *testing.T) {
	t.Parallel()
	env := []string{
		"SUPABASE_DB_URL=postgres://u:p@db/x", "SUPABASE_URL=https://ref.supabase.co/", "SUPABASE_SERVICE_ROLE_KEY=k1",
		"SUPABASE_JWT_SECRET=s1", "CHATENGINE_JWT_SECRET=s2,s3", "CHATENGINE_URL=http://chat:3000", "PORT=9999",
	}
	c := load(t, configs.Sources{Env: env, Complete: true})
	got := map[string]any{
		"db": c.Source.Postgres.URL.Reveal(), "url": c.Source.Realtime.URL, "key": c.Source.Realtime.Key.Reveal(),
		"supabase": c.Auth.SupabaseSecrets[0].Reveal(), "chatengine": []string{c.Auth.ChatEngineSecrets[0].Reveal(), c.Auth.ChatEngineSecrets[1].Reveal()},
		"upstream": c.Gateway.Upstream, "listen": c.Listen, "jwks": c.Auth.JWKSURL,
	}
	want := map[string]any{
		"db": "postgres://u:p@db/x", "url": "https://ref.supabase.co", "key": "k1", "supabase": "s1",
		"chatengine": []string{"s2", "s3"}, "upstream": "http://chat:3000", "listen": ":9999",
		"jwks": "https://ref.supabase.co/auth/v1/.well-known/jwks.json",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got := c.Origin("auth.jwks_url").String(); got != "derived from source.realtime.url (environment SUPABASE_URL)" {
		t.Errorf("origin of auth.jwks_url: %s", got)
	}
}

// BRIDGE_… beats an alias, the first alias beats the second, and that they
// differ is said without showing either.
func TestAliasesThatDiffer(t *testing.T) {
	t.Parallel()
	env := []string{"DATABASE_URL=postgres://u:hidden1@a/x", "SUPABASE_DB_URL=postgres://u:hidden2@b/x"}
	c := load(t, configs.Sources{Env: env})
	if got := c.Source.Postgres.URL.Reveal(); got != "postgres://u:hidden1@a/x" {
		t.Errorf("got %s", got)
	}
	w := strings.Join(c.Warnings(), "\n")
	if !strings.Contains(w, "DATABASE_URL and SUPABASE_DB_URL are both set") || strings.Contains(w, "hidden") {
		t.Errorf("warnings: %s", w)
	}
	c = load(t, configs.Sources{Env: append(env, "BRIDGE_SOURCE_POSTGRES_URL=postgres://c/x")})
	if got := c.Source.Postgres.URL.Reveal(); got != "postgres://c/x" {
		t.Errorf("got %s", got)
	}
}

func TestEmptyEnvironmentVariable(t *testing.T) {
	t.Parallel()
	c := load(t, configs.Sources{Env: []string{"BRIDGE_REPLAY_WINDOW=", "BRIDGE_LISTEN=", "PORT=", "DATABASE_URL=", "BRIDGE_ADMIN_LISTEN="}})
	if c.Listen != ":8080" || c.Replay.Window != time.Minute || c.Source.Postgres.URL != "" {
		t.Errorf("an empty variable changed a setting: %+v", shown(c))
	}
	if c.Admin.Listen != "" {
		t.Errorf("BRIDGE_ADMIN_LISTEN= did not turn the admin listener off: %q", c.Admin.Listen)
	}
}

func TestJWKSNone(t *testing.T) {
	t.Parallel()
	c := load(t, configs.Sources{Env: []string{"SUPABASE_URL=https://x.supabase.co", "BRIDGE_AUTH_JWKS_URL=none"}})
	if c.Auth.JWKSURL != "" {
		t.Errorf("JWKSURL = %q", c.Auth.JWKSURL)
	}
}

// Everything wrong is reported at once, each with its place.
func TestEveryProblemAtOnce(t *testing.T) {
	t.Parallel()
	file := write(t, "bridge.yaml", `listen: 8080
replay:
  window: 60
  max_events: [1, 2]
sorce:
  kind: postgres
source:
  kind: postgre
  postgres:
    urll: postgres://u:topsecret@h/db
    max_lag: 1GiX
    slot: Bridge
tls: true
log:
  level: {a: b}
log.format: xml
`)
	got := problems(t, configs.Sources{
		File:  file,
		Env:   []string{"BRIDGE_LOG_LVEL=debug", "BRIDGE_AUTH_LEEWAY=-1s", "DATABASE_URL=mysql://u:topsecret@h/db"},
		Flags: flags(t, "--limits.attachments=-1"),
	})
	want := map[string][]string{ // key: pieces of its line
		"listen":                      {`= "8080"`, "bridge.yaml:1", "is not host:port"},
		"replay.window":               {`= "60"`, "bridge.yaml:3", "lacks its unit", "60s"},
		"replay.max_events":           {"bridge.yaml:4", "is a list"},
		"sorce":                       {"bridge.yaml:5", `did you mean "source"`},
		"source.kind":                 {"bridge.yaml:8", `did you mean "postgres"`, "postgres, realtime"},
		"source.postgres.urll":        {"bridge.yaml:10", `did you mean "source.postgres.url"`},
		"source.postgres.max_lag":     {`= "1GiX"`, "bridge.yaml:11", "is not a size"},
		"source.postgres.slot":        {`= "Bridge"`, "bridge.yaml:12"},
		"tls":                         {"bridge.yaml:13", "is a section", "tls.cert_file"},
		"log.level":                   {"bridge.yaml:15", "is a mapping"},
		"log.format":                  {`= "xml"`, "bridge.yaml:16", "auto, text, json"},
		"environment BRIDGE_LOG_LVEL": {"did you mean BRIDGE_LOG_LEVEL?"},
		"auth.leeway":                 {"environment BRIDGE_AUTH_LEEWAY", "out of range"},
		"source.postgres.url":         {"environment DATABASE_URL", "does not begin with postgres://"},
		"limits.attachments":          {"flag --limits.attachments", "from 0 to 1000"},
	}
	for key, pieces := range want {
		p, ok := got[key]
		if !ok {
			t.Errorf("no problem of %s", key)
			continue
		}
		for _, piece := range pieces {
			if !strings.Contains(p.String(), piece) {
				t.Errorf("%s: want %q in it", p, piece)
			}
		}
		if strings.Contains(p.String(), "topsecret") {
			t.Errorf("shows a secret: %s", p)
		}
		delete(got, key)
	}
	for _, p := range got {
		t.Errorf("unexpected: %s", p)
	}
}

func TestFileProblems(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ content, want string }{
		"not yaml":                {"listen: [\n", "line "},
		"tab":                     {"tls:\n\tcert_file: x\n", "line "},
		"a list":                  {"- listen\n", "not a YAML mapping"},
		"two documents":           {"listen: :1\n---\nlisten: :2\n", "more than one YAML document"},
		"twice":                   {"log.level: info\nlog:\n  level: debug\n", "twice, first at bridge.yaml:1"},
		"twice in yaml":           {"listen: :1\nlisten: :2\n", "twice"},
		"wrong section":           {"window: 60s\n", `did you mean "source.realtime.window"`},
		"upper case":              {"Listen: :1\n", `did you mean "listen"`},
		"nested list":             {"cors:\n  origins: [[a]]\n", "not a plain value"},
		"reserved":                {"cluster:\n  redis_url: redis://:topsecret@h\n", "is missing"},
		"secret and file":         {"auth:\n  chatengine_secret: topsecret\n  chatengine_secret_file: /x\n", "leave one of them out"},
		"missing file":            {"auth:\n  chatengine_secret_file: /does/not/exist\n", "no such file"},
		"file of a plain setting": {"listen_file: /x\n", "not a known key"},
		"unknown value hidden":    {"auth:\n  supabase_secrt: topsecret\n", `did you mean "auth.supabase_secret"`},
		"pass in DSN":             {"source: {postgres: {url: 'postgres://u:topsecret/x@h/db'}}\n", "percent-encoded"},
		"user in url":             {"gateway: {upstream: 'http://u:topsecret@h'}\n", "user name or password"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := configs.Load(configs.Sources{File: write(t, "bridge.yaml", tt.content)})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q in it", err, tt.want)
			}
			if name != "user in url" && strings.Contains(err.Error(), "topsecret") {
				t.Errorf("shows a secret: %v", err)
			}
		})
	}
}

func TestMissingFile(t *testing.T) {
	t.Parallel()
	_, err := configs.Load(configs.Sources{File: "/does/not/exist.yaml"})
	if err == nil || !strings.Contains(err.Error(), "/does/not/exist.yaml: cannot be read: no such file") {
		t.Fatal(err)
	}
}

func TestEmptyFiles(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"", "# nothing\n", "~\n", "log:\n  # level: debug\n", "---\n"} {
		if c := load(t, configs.Sources{File: write(t, "bridge.yaml", content)}); c.Listen != ":8080" {
			t.Errorf("%q: listen %q", content, c.Listen)
		}
	}
}

// Kubernetes puts these into a pod beside a Service named bridge.
func TestVariablesOfOthers(t *testing.T) {
	t.Parallel()
	load(t, configs.Sources{Env: []string{
		"BRIDGE_SERVICE_HOST=10.0.0.1", "BRIDGE_SERVICE_PORT=80", "BRIDGE_SERVICE_PORT_HTTP=80", "BRIDGE_PORT=tcp://10.0.0.1:80",
		"BRIDGE_PORT_80_TCP=tcp://10.0.0.1:80", "BRIDGE_PORT_80_TCP_ADDR=10.0.0.1", "BRIDGE_PORT_80_TCP_PROTO=tcp",
		"BRIDGE_CONFIG=x", "BRIDGE_POSTGRES_BIN=/usr/bin", "BRIDGE_TEST_FULL=1",
	}})
}

func TestRedisURL(t *testing.T) {
	t.Parallel()
	c := load(t, configs.Sources{Env: []string{"REDIS_URL=redis://:topsecret@h"}})
	if w := strings.Join(c.Warnings(), "\n"); !strings.Contains(w, "REDIS_URL is not used") {
		t.Errorf("warnings: %q", w)
	}
	for key, env := range map[string][]string{
		"cluster.name":      {"BRIDGE_CLUSTER_REDIS_URL=redis://:topsecret@h"},
		"cluster.redis_url": {"BRIDGE_CLUSTER_NAME=crm"},
	} {
		p := problems(t, configs.Sources{Env: env})[key]
		if s := p.String(); !strings.Contains(s, "missing") || strings.Contains(s, "topsecret") {
			t.Errorf("%s: got %q", key, s)
		}
	}
	both := load(t, configs.Sources{Env: []string{"REDIS_URL=redis://:topsecret@h", "BRIDGE_CLUSTER_NAME=crm"}})
	if both.Cluster.RedisURL.Reveal() != "redis://:topsecret@h" || len(both.Warnings()) > 0 {
		t.Errorf("got %v, warnings %q", both.Cluster, both.Warnings())
	}
}

func TestSecretFiles(t *testing.T) {
	t.Parallel()
	list := write(t, "list", "one,with,commas\n\n  two  \n")
	db := write(t, "db", "postgres://u:p@h/db\n")
	file := write(t, "bridge.yaml", "auth:\n  chatengine_secret: ''\n  chatengine_secret_file: "+list+"\n")
	c := load(t, configs.Sources{File: file, Env: []string{"BRIDGE_SOURCE_POSTGRES_URL_FILE=" + db}})
	if d := cmp.Diff([]configs.Secret{"one,with,commas", "two"}, c.Auth.ChatEngineSecrets); d != "" {
		t.Error(d)
	}
	if got := c.Source.Postgres.URL.Reveal(); got != "postgres://u:p@h/db" {
		t.Errorf("got %q", got)
	}
	if got, want := c.Origin("auth.chatengine_secret").String(), "file "+list+", named by bridge.yaml:3"; got != want {
		t.Errorf("origin %q, want %q", got, want)
	}
	// A stronger layer's plain value beats a weaker one's file.
	c = load(t, configs.Sources{File: file, Env: []string{"CHATENGINE_JWT_SECRET=env"}})
	if d := cmp.Diff([]configs.Secret{"env"}, c.Auth.ChatEngineSecrets); d != "" {
		t.Error(d)
	}
	for name, content := range map[string]string{"empty": "\n", "large": strings.Repeat("x", 1<<17)} {
		path := write(t, "bad", content)
		p := problems(t, configs.Sources{Env: []string{"BRIDGE_AUTH_SUPABASE_SECRET_FILE=" + path}})
		if _, ok := p["auth.supabase_secret_file"]; !ok {
			t.Errorf("%s: %v", name, p)
		}
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string]string{"auth.chatengine_secret": "a\nb\n", "source.postgres.url": "postgres://u:p@h/db\n", "other.program": "x"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := write(t, "bridge.yaml", "auth: {chatengine_secret: from-file}\n")
	env := []string{"CREDENTIALS_DIRECTORY=" + dir}
	c := load(t, configs.Sources{File: file, Env: env})
	if d := cmp.Diff([]configs.Secret{"a", "b"}, c.Auth.ChatEngineSecrets); d != "" {
		t.Error(d)
	}
	if got := c.Origin("source.postgres.url").String(); got != "credential source.postgres.url" {
		t.Errorf("origin %q", got)
	}
	c = load(t, configs.Sources{File: file, Env: append(env, "CHATENGINE_JWT_SECRET=env")})
	if d := cmp.Diff([]configs.Secret{"env"}, c.Auth.ChatEngineSecrets); d != "" {
		t.Error(d)
	}
}

// Values are the text as written: YAML must not make a number of a secret.
func TestTextIsKept(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]string{"0123": "0123", "1e3": "1e3", "true": "true", "'a: b'": "a: b", "$HOME": "$HOME"} {
		c := load(t, configs.Sources{File: write(t, "b.yaml", "source: {realtime: {key: "+written+"}}\n")})
		if got := c.Source.Realtime.Key.Reveal(); got != want {
			t.Errorf("%s became %q, want %q", written, got, want)
		}
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	fs := flags(t, "--auth.allow_query_token", "--limits.connections=7", "--cors.origins=https://a.example,https://*.b.example")
	c := load(t, configs.Sources{Flags: fs})
	if !c.Auth.AllowQueryToken || c.Limits.Connections != 7 || !slices.Equal(c.CORS.Origins, []string{"https://a.example", "https://*.b.example"}) {
		t.Errorf("%+v", shown(c))
	}
	for _, s := range c.Redacted() {
		f := fs.Lookup(s.Key)
		secretive := slices.Contains([]string{"admin.token", "source.postgres.url", "source.realtime.key", "lookup.url", "auth.chatengine_secret", "auth.supabase_secret", "cluster.redis_url", "send.anon_key", "send.outbox.url"}, s.Key)
		if (f == nil) != secretive {
			t.Errorf("%s: flag %v, secret %v", s.Key, f != nil, secretive)
		}
	}
}

func ExampleLoad() {
	_, err := configs.Load(configs.Sources{Env: []string{"BRIDGE_REPLAY_WINDOW=60", "BRIDGE_SOURCE_KIND=postgress"}})
	fmt.Println(err)
	// Output:
	// configuration:
	//   source.kind = "postgress" (environment BRIDGE_SOURCE_KIND): is none of the choices; did you mean "postgres"?; accepted: postgres, realtime
	//   replay.window = "60" (environment BRIDGE_REPLAY_WINDOW): lacks its unit; accepted: a duration with its unit, such as 500ms, 60s or 5m, from 0s to 1h0m0s
}

func TestStateFileIsInTheStateDirectory(t *testing.T) {
	for _, c := range []struct {
		name string
		env  []string
		want string
	}{
		{"systemd", []string{"STATE_DIRECTORY=/var/lib/chatbridge"}, "/var/lib/chatbridge/state"},
		{"several", []string{"STATE_DIRECTORY=/var/lib/a:/var/lib/b"}, "/var/lib/a/state"},
		{"set", []string{"STATE_DIRECTORY=/var/lib/a", "BRIDGE_REPLAY_STATE_FILE=/x/y"}, "/x/y"},
		{"turned off", []string{"STATE_DIRECTORY=/var/lib/a", "BRIDGE_REPLAY_STATE_FILE=none"}, ""},
		{"no directory", nil, ""},
	} {
		cfg, err := configs.Load(configs.Sources{Env: c.env})
		if err != nil || cfg.Replay.StateFile != c.want {
			t.Errorf("%s: %q, %v; want %q", c.name, cfg.Replay.StateFile, err, c.want)
		}
	}
}

func TestLedgerFileIsInTheStateDirectory(t *testing.T) {
	for _, c := range []struct {
		name string
		env  []string
		want string
	}{
		{"systemd", []string{"STATE_DIRECTORY=/var/lib/chatbridge"}, "/var/lib/chatbridge/ledger"},
		{"set", []string{"STATE_DIRECTORY=/var/lib/a", "BRIDGE_LEDGER_FILE=/x/y"}, "/x/y"},
		{"turned off", []string{"STATE_DIRECTORY=/var/lib/a", "BRIDGE_LEDGER_FILE=none"}, ""},
		{"no directory", nil, ""},
	} {
		cfg, err := configs.Load(configs.Sources{Env: c.env})
		if err != nil || cfg.Ledger.File != c.want {
			t.Errorf("%s: %q, %v; want %q", c.name, cfg.Ledger.File, err, c.want)
		}
	}
}

// TestAFileThatCannotBeRead is all that is told: what seems not to be set may be in it.
func TestAFileThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no file": "", "broken": "source:\n  kind: [postgres\n", "no mapping": "- listen\n",
	} {
		path := filepath.Join(t.TempDir(), "bridge.yaml")
		if text != "" {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, err := configs.Load(configs.Sources{File: path, Complete: true, Env: []string{"BRIDGE_CLUSTER_NAME=crm"}})
		var wrong *configs.Error
		if !errors.As(err, &wrong) || len(wrong.Problems) != 1 || !strings.Contains(wrong.Problems[0].Origin, "bridge.yaml") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
