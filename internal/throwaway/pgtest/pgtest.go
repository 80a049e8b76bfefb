package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"chatbridge/internal/throwaway"

	"go.uber.org/goleak"
)

// clusterTimeout bounds the start and the stop of a cluster.
const clusterTimeout = time.Minute

// shared is what the tests of one binary have in common. A package-level
// variable because TestMain and testing.TB leave no other place for it.
var shared struct {
	mu       sync.Mutex
	template *throwaway.Template
	cluster  *throwaway.Cluster
	err      error
}

// Main runs the tests, stops what they shared and fails when a goroutine is
// left. It returns the exit code.
func Main(m interface{ Run() int }, options ...goleak.Option) int {
	code := m.Run()
	if err := release(); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		code = max(code, 1)
	}
	if code == 0 {
		if err := goleak.Find(options...); err != nil {
			fmt.Fprintln(os.Stderr, "pgtest: goroutines are left:", err)
			code = 1
		}
	}
	return code
}

func release() error {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), clusterTimeout)
	defer cancel()
	var err error
	if shared.cluster != nil {
		err = shared.cluster.Stop(ctx)
		shared.cluster = nil
	}
	if shared.template != nil {
		shared.template.Remove()
		shared.template = nil
	}
	return err
}

// template returns the initialised directory that clusters are copied from.
// shared.mu must be held.
func template(ctx context.Context) (*throwaway.Template, error) {
	if shared.template != nil || shared.err != nil {
		return shared.template, shared.err
	}
	bin, err := throwaway.Find(ctx, "")
	if err == nil {
		shared.template, err = throwaway.NewTemplate(ctx, bin)
	}
	shared.err = err
	return shared.template, err
}

// Cluster starts a cluster that is the test's own and stops it when the test
// ends. Without an installed Postgres the test fails and says how to get one.
func Cluster(t testing.TB, opts throwaway.Options) *throwaway.Cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), clusterTimeout)
	defer cancel()
	if opts.Bin == "" && opts.Version == "" && opts.Template == nil {
		shared.mu.Lock()
		tpl, err := template(ctx)
		shared.mu.Unlock()
		if err != nil {
			t.Fatal("pgtest:", err)
		}
		opts.Template = tpl
	}
	c, err := throwaway.Start(ctx, opts)
	if err != nil {
		t.Fatal("pgtest:", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), clusterTimeout)
		defer cancel()
		if t.Failed() {
			t.Logf("the end of the server's log:\n%s", c.Log())
		}
		if err := c.Stop(ctx); err != nil {
			t.Error("pgtest: stop the cluster:", err)
		}
	})
	return c
}

// sharedCluster starts the binary's cluster at the first call.
func sharedCluster(ctx context.Context) (*throwaway.Cluster, error) {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.cluster != nil {
		return shared.cluster, nil
	}
	tpl, err := template(ctx)
	if err != nil {
		return nil, err
	}
	c, err := throwaway.Start(ctx, throwaway.Options{TCP: true, Template: tpl, Settings: map[string]string{
		"max_replication_slots": "60",
		"max_wal_senders":       "60",
		"max_connections":       "200",
	}})
	if err != nil {
		shared.err = errors.Join(shared.err, err)
		return nil, err
	}
	shared.cluster = c
	return c, nil
}
