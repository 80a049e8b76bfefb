package bridge

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"testing"

	"chatbridge/bridge/send"
	"chatbridge/configs"
)

// TestCredentialsAreReloaded: the anon key, and user and password of Redis, are taken over
// by a reload; whatever else of Redis' address has changed takes a restart, and the
// password there with it.
func TestCredentialsAreReloaded(t *testing.T) {
	shown := make(chan string, 1)
	function := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown <- r.Header.Get("Apikey")
		_, _ = w.Write([]byte(`{"ok":true,"messageId":"m"}`))
	}))
	defer function.Close()
	dir := t.TempDir()
	config := func(key, redis string) *configs.Config {
		t.Helper()
		cfg, err := configs.Load(configs.Sources{Complete: true, Env: []string{
			"CHATENGINE_JWT_SECRET=a-secret-of-the-tests", "DATABASE_URL=postgres://nobody@127.0.0.1:1/none", "SUPABASE_JWT_SECRET=another-secret-of-the-tests",
			"BRIDGE_SEND_MODE=function", "BRIDGE_SEND_STATE_FILE=" + filepath.Join(dir, "sends"), "BRIDGE_SEND_FUNCTION_URL=" + function.URL, "BRIDGE_SEND_FUNCTION_NAME=send", "SUPABASE_ANON_KEY=" + key,
			"BRIDGE_CLUSTER_NAME=crm", "REDIS_URL=" + redis,
		}})
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	const first = "redis://bridge:first@127.0.0.1:1/2"
	start := config("first", first)
	d, err := New(start, Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	way, err := newFunction(start.Send, d.passwords.anonKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		key, redis       string
		changed, restart []string
		address          string
	}{
		{"second", first, []string{"send.anon_key"}, nil, first},
		{"second", "redis://bridge:second@127.0.0.1:1/2", []string{"cluster.redis_url"}, nil, "redis://bridge:second@127.0.0.1:1/2"},
		{"second", "redis://127.0.0.1:1/2", []string{"cluster.redis_url"}, nil, "redis://127.0.0.1:1/2"},
		{"third", "redis://bridge:third@127.0.0.1:1/3", []string{"send.anon_key"}, []string{"cluster.redis_url"}, first},
		{"third", first, nil, nil, first},
	} {
		changed, restart, err := d.Reload(config(tt.key, tt.redis))
		slices.Sort(changed)
		if err != nil || !slices.Equal(restart, tt.restart) || !subset(tt.changed, changed) {
			t.Errorf("%s: changed %v, take a restart %v, %v", tt.redis, changed, restart, err)
		}
		if got := d.passwords.redis(); got != tt.address {
			t.Errorf("Redis is at %s, want %s", got, tt.address)
		}
		way.Send(t.Context(), &send.Message{ID: "1", Conversation: "c", Content: "x", Session: send.Session{Token: "t"}})
		if key := <-shown; key != tt.key {
			t.Errorf("the function was shown %q, want %q", key, tt.key)
		}
	}
}

// subset reports whether all of a are in b.
func subset(a, b []string) bool {
	return !slices.ContainsFunc(a, func(s string) bool { return !slices.Contains(b, s) })
}

func TestSameRedis(t *testing.T) {
	for pair, want := range map[[2]string]bool{
		{"redis://:a@h:6379/1", "redis://:b@h:6379/1"}:                                                            true,
		{"redis://:a@h:6379/1", "redis://u:a@h:6379/1"}:                                                           true,
		{"redis://:a@h:6379/1", "redis://:a@h:6379/2"}:                                                            false,
		{"redis://:a@h:6379", "rediss://:a@h:6379"}:                                                               false,
		{"redis://:a@h:6379", "redis://:a@other:6379"}:                                                            false,
		{"redis://:s@h:26379?master_name=m&password=a", "redis://:s@h:26379?master_name=m&username=u&password=b"}: true,
		{"redis://:s@h:26379?master_name=m&password=a", "redis://:other@h:26379?master_name=m&password=a"}:        false,
		{"redis://:s@h:26379?master_name=m&password=a", "redis://:s@h:26379?master_name=n&password=a"}:            false,
		{"redis://:s@h:26379?master_name=m&addr=x:1&password=a", "redis://:s@h:26379?master_name=m&password=a"}:   false,
		{"redis://%zz", "redis://h"}:                                                                              false,
	} {
		if got := sameRedis(pair[0], pair[1]); got != want {
			t.Errorf("%v: %v", pair, got)
		}
	}
}
