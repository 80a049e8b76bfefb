package check_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"chatbridge/bridge/check"
	"chatbridge/bridge/cluster"
	"chatbridge/configs"
	"chatbridge/internal/throwaway/redistest"
	"chatbridge/source/postgres/provision"
)

// TestRedis: what of Redis keeps bridges from being one is told, each with its remedy.
func TestRedis(t *testing.T) {
	t.Parallel()
	findings := func(url string) []string {
		t.Helper()
		cfg, err := configs.Load(configs.Sources{Env: []string{"BRIDGE_CLUSTER_REDIS_URL=" + url, "BRIDGE_CLUSTER_NAME=crm"}})
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, f := range check.Run(t.Context(), cfg) {
			if strings.HasPrefix(f.ID, "redis.") {
				all = append(all, f.ID+" "+f.Level.String())
				if f.Level != provision.OK && f.Fix == "" {
					t.Errorf("%s has no remedy", f.ID)
				}
			}
		}
		return all
	}
	server := redistest.Start(t)
	is := func(what, url string, want ...string) {
		t.Helper()
		if got := findings(url); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	is("all is well", server.URL(), "redis.version ok", "redis.memory ok", "redis.rights ok")
	if keys := server.Client().Keys(t.Context(), "*").Val(); len(keys) > 0 {
		t.Errorf("the check left %q", keys)
	}
	admin := server.Client()
	for _, command := range [][]any{
		{"config", "set", "maxmemory-policy", "allkeys-lru"},
		{"config", "set", "maxmemory", "900mb"},
		{"acl", "setuser", "reader", "on", ">pw", "~bridge:*", "+ping", "+xread", "+info", "+client|setname"},
		append([]any{"acl", "setuser", "bridge", "on", ">pw"}, fields(cluster.Rights)...),
		append([]any{"acl", "setuser", "deaf", "on", ">pw"}, fields(strings.ReplaceAll(cluster.Rights, "&bridge:*", "resetchannels"))...),
	} {
		if err := admin.Do(t.Context(), command...).Err(); err != nil {
			t.Fatal(command, err)
		}
	}
	is("a policy that evicts", server.URL(), "redis.version ok", "redis.memory warn", "redis.rights ok")
	is("a user without rights", strings.Replace(server.URL(), "//", "//reader:pw@", 1), "redis.version ok", "redis.memory warn", "redis.rights fail")
	is("a user with those that are named", strings.Replace(server.URL(), "//", "//bridge:pw@", 1), "redis.version ok", "redis.memory warn", "redis.rights ok")
	is("a user without the channel", strings.Replace(server.URL(), "//", "//deaf:pw@", 1), "redis.version ok", "redis.memory warn", "redis.rights fail")
	replica := redistest.Replica(t, server)
	is("a replica", replica.URL(), "redis.version ok", "redis.replica fail", "redis.memory ok", "redis.rights fail")
	server.Kill()
	is("nobody", server.URL(), "redis.connect fail")
}

// TestTheRightsAreDocumented as the check has them.
func TestTheRightsAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/cluster.md")
	if err != nil || !strings.Contains(string(text), "ACL SETUSER bridge on >PASSWORD "+cluster.Rights+"\n") {
		t.Errorf("docs/cluster.md has not the line, %v: ACL SETUSER bridge on >PASSWORD %s", err, cluster.Rights)
	}
}

func fields(text string) (all []any) {
	for _, f := range strings.Fields(text) {
		all = append(all, f)
	}
	return all
}
