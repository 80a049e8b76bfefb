package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbridge/bridge/cluster"
	"chatbridge/internal/throwaway/redistest"
)

func allow(t *testing.T, s *redistest.Server, user string, rules string) {
	t.Helper()
	args := []any{"acl", "setuser", user, "reset", "on", ">pw"}
	for _, r := range strings.Fields(rules) {
		args = append(args, r)
	}
	if err := s.Client().Do(t.Context(), args...).Err(); err != nil {
		t.Fatal(args, err)
	}
}

// TestEachMissingRightIsNamed, and also where scripts are in Redis' memory already, and
// nothing else is asked for.
func TestEachMissingRightIsNamed(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	if failed := cluster.Try(t.Context(), s.URL(), "crm"); len(failed) > 0 {
		t.Fatal("with all rights:", failed)
	}
	missing := []string{"~bridge:*", "&bridge:*"}
	for _, c := range withoutCluster() {
		missing = append(missing, "+"+c)
	}
	for i, m := range missing {
		t.Run(m, func(t *testing.T) {
			t.Parallel()
			user := fmt.Sprint("user", i)
			rules := slices.DeleteFunc(strings.Fields(cluster.Rights), func(r string) bool { return r == m })
			allow(t, s, user, "resetchannels "+strings.Join(rules, " "))
			url := strings.Replace(s.URL(), "//", "//"+user+":pw@", 1) + "/3"
			failed := cluster.Try(t.Context(), url, "crm")
			if len(failed) != 1 {
				t.Fatalf("%d errors: %q", len(failed), failed)
			}
			if remedy := cluster.Remedy(failed[0]); !strings.HasPrefix(remedy, "ACL SETUSER "+user+" "+m+"; ") {
				t.Errorf("%v\n%s", failed[0], remedy)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		allow(t, s, "bridge", cluster.Rights)
		if failed := cluster.Try(t.Context(), strings.Replace(s.URL(), "//", "//bridge:pw@", 1)+"/3", "crm"); len(failed) > 0 {
			t.Error(failed)
		}
	})
}

// TestARightThatAScriptLacks is named by the command in the script.
func TestARightThatAScriptLacks(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	dial, err := cluster.Redis(strings.Replace(s.URL(), "//", "//bridge:pw@", 1), "crm", known(history))
	if err != nil {
		t.Fatal(err)
	}
	allow(t, s, "bridge", cluster.Rights+" -xadd")
	store, err := dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	_, err = store.Append(t.Context(), cluster.Epoch{System: 7}, cluster.ID{}, cluster.Append{ID: cluster.ID{Commit: 8}, Entry: []byte("x")})
	if err == nil || !strings.Contains(err.Error(), "the user bridge may not run XADD") || !strings.HasPrefix(cluster.Remedy(err), "ACL SETUSER bridge +xadd; ") {
		t.Errorf("%v\n%s", err, cluster.Remedy(err))
	}
}

// withoutCluster are the commands that are not only for a Redis Cluster.
func withoutCluster() []string {
	return slices.DeleteFunc(slices.Clone(cluster.Commands), func(c string) bool {
		return strings.HasPrefix(c, "cluster|") || c == "asking"
	})
}

var commandStat = regexp.MustCompile(`(?m)^cmdstat_([^:]+):`)

// TestTheCommandsAreAllThatABridgeRuns, and it runs all of them.
func TestTheCommandsAreAllThatABridgeRuns(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	allow(t, s, "bridge", cluster.Rights)
	if err := s.Client().ConfigResetStat(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	runAll(t, strings.Replace(s.URL(), "//", "//bridge:pw@", 1)+"/3")
	info, err := s.Client().Info(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	ran := map[string]bool{"info": true, "ping": true} // INFO in scripts; PING by the check
	for _, m := range commandStat.FindAllStringSubmatch(info, -1) {
		ran[m[1]] = true
	}
	for _, c := range withoutCluster() {
		if !ran[c] {
			t.Errorf("%s is a right that is of no use", c)
		}
		delete(ran, c)
	}
	// Those that everybody may run, and those of the test itself.
	for _, c := range []string{"auth", "hello", "config|resetstat", "acl|setuser"} {
		delete(ran, c)
	}
	for c := range ran {
		t.Errorf("%s is run, and not in cluster.Commands", c)
	}
}

// runAll runs what a bridge does at Redis, once.
func runAll(t *testing.T, url string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	dial, err := cluster.Redis(url, "crm", known(history))
	if err != nil {
		t.Fatal(err)
	}
	store, err := dial(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	shared, err := cluster.NewShared(url, "crm")
	if err != nil {
		t.Fatal(err)
	}
	defer shared.Close()
	shared.Belong(history)
	epoch, id := cluster.Epoch{System: 7}, cluster.ID{Commit: 8}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err = store.Append(ctx, epoch, cluster.ID{}, cluster.Append{ID: id, Entry: []byte("x")})
	must(err)
	_, _, err = store.Beat(ctx, epoch, id, cluster.ID{}, 0, []byte("x"))
	must(err)
	_, err = store.LastBeat(ctx)
	must(err)
	_, err = store.Read(ctx, epoch, cluster.ID{}, "$", time.Millisecond)
	must(err)
	must(store.Remove(ctx, epoch))
	sessions := cluster.NewSessions(shared, time.Minute, 0)
	_, err = sessions.Invalidate(ctx, "pid", 1)
	must(err)
	_, err = sessions.Find(ctx, "pid")
	must(err)
	_, _, err = sessions.Take(ctx, "pid", 1)
	must(err)
	claims := cluster.NewClaims(shared)
	for range 2 {
		_, err = claims.Claim(ctx, "w", "id", "value", time.Minute)
		must(err)
	}
	must(claims.Release(ctx, "w", "id", "value"))
	log := slog.New(slog.DiscardHandler)
	told := make(chan struct{}, 8)
	orders := cluster.NewOrders(shared, "host/1", func(cluster.Order) {}, func() { told <- struct{}{} }, log)
	running.Go(func() { _ = orders.Run(ctx) })
	orders.Give("hold-local")
	<-told
	heard := make(chan struct{}, 8)
	for range 2 {
		bus := cluster.NewBus(cluster.BusOptions{Shared: shared, ID: cluster.NewNodeID(), Hear: func(*cluster.Notice) { heard <- struct{}{} }, Logger: log})
		running.Go(func() { _ = bus.Run(ctx) })
		defer func() {
			for deadline := time.After(10 * time.Second); bus.Stats().Peers == 0; {
				select {
				case <-deadline:
					t.Error("the nodes do not meet")
					return
				case <-time.After(5 * time.Millisecond): // polls what another goroutine counts
				}
			}
		}()
	}
	if err := errors.Join(cluster.Try(ctx, url, "other")...); err != nil {
		t.Fatal(err)
	}
}

// TestSentinelsUser: what the documents give it is all that it needs, and what is missing is
// told.
func TestSentinelsUser(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t)
	s := redistest.Sentinel(t, "crm", master)
	allow(t, s, "bridge", "resetchannels "+cluster.SentinelRights)
	url := strings.Replace(s.SentinelURL("crm"), "//", "//bridge:pw@", 1)
	if failed := cluster.Try(t.Context(), url, "crm"); len(failed) > 0 {
		t.Error("with what the documents give it:", failed)
	}
	for url, want := range map[string]string{
		strings.Replace(s.SentinelURL("crm"), "//", "//bridge:no@", 1): "before the @ of cluster.redis_url are for Sentinel",
		url + "&password=no&username=nobody":                           "user or password is wrong",
	} {
		failed := cluster.Try(t.Context(), url, "crm")
		if len(failed) != 1 || !strings.Contains(cluster.Remedy(failed[0])+failed[0].Error(), want) {
			t.Errorf("%q, want %q", failed, want)
		}
	}
	allow(t, s, "bridge", "&* +ping +subscribe +client|setname")
	if failed := cluster.Try(t.Context(), url, "crm"); len(failed) != 1 || !strings.Contains(cluster.Remedy(failed[0]), "ACL SETUSER USER "+cluster.SentinelRights) {
		t.Errorf("%q", failed)
	}
}
