//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"chatbridge/bench/internal/results"
	"chatbridge/bench/internal/revision"
	"chatbridge/bridge/auth"
	"chatbridge/internal/npm"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway"
)

const (
	secret        = "the-secret-of-the-benchmark"
	workspace     = "5a1e0000-0000-4000-8000-00000000000a"
	conversations = 20
)

// bench is what all scenes share.
type bench struct {
	cluster *throwaway.Cluster
	dir     string // of the built bridge, and of the one before
	npm     string // of the bridge in Node
	token   string
	scene   int
	nodeEnv []string // of the bridge in Node, in the present scene
}

// newBench builds the bridge, and as it was at the revision before where that
// is not "".
func newBench(ctx context.Context, cluster *throwaway.Cluster, before string) (*bench, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return nil, fmt.Errorf("find the module: %w", err)
	}
	root := strings.TrimSpace(string(out))
	b := &bench{cluster: cluster, npm: filepath.Join(root, "bench/pipeline/testdata/npm")}
	if err := npm.CI(ctx, b.npm, os.Stderr); err != nil {
		return nil, err
	}
	if b.dir, err = os.MkdirTemp("", "pipeline"); err != nil {
		return nil, err
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(b.dir, "bridge"), "./cmd/bridge")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the bridge: %w\n%s", err, out)
	}
	if before != "" {
		if err := revision.Build(ctx, root, before, "./cmd/bridge", filepath.Join(b.dir, "before")); err != nil {
			return nil, err
		}
	}
	b.token, err = auth.Sign(secret, workspace, "user", "", "", time.Now(), 24*time.Hour)
	return b, err
}

func (b *bench) close() { _ = os.RemoveAll(b.dir) }

// stage is one scene's database, server and rows.
type stage struct {
	pool   *pgxpool.Pool
	server *server
	token  string
	// buf holds the rows of a COPY, which copied counts.
	buf    bytes.Buffer
	copied int
}

// play plays one scene with one server on a fresh database.
func (b *bench) play(ctx context.Context, scene, name string, rows int, figures *results.Results) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	b.scene++
	database := fmt.Sprintf("bench%d", b.scene)
	admin, err := pgx.Connect(ctx, b.cluster.URL("postgres"))
	if err != nil {
		return err
	}
	defer admin.Close(context.WithoutCancel(ctx))
	if _, err := admin.Exec(ctx, "create database "+database); err != nil {
		return err
	}
	defer b.drop(context.WithoutCancel(ctx), admin, database)
	pool, err := pgxpool.New(ctx, b.cluster.URL(database))
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := populate(ctx, pool); err != nil {
		return err
	}
	singles := max(min(rows, lookupMost)/lookupWorkspaces, 1) * lookupWorkspaces
	b.nodeEnv = nil
	if scene == "lookups" {
		b.nodeEnv = []string{"LOOKUPS=1"}
		if err := populateLookups(ctx, pool, singles); err != nil {
			return err
		}
	}
	s, err := b.start(ctx, name, b.cluster.URL(database), database)
	if err != nil {
		return err
	}
	defer s.stop()
	st := &stage{pool: pool, server: s, token: b.token}
	switch scene {
	case "start":
		return st.start(ctx, name, rows, func(addr string) (*server, error) {
			return b.launch(ctx, name, b.cluster.URL(database), database, addr)
		}, figures)
	case "latency":
		return st.latency(ctx, name, figures)
	case "lookups":
		return st.lookups(ctx, name, singles, figures)
	case "rate":
		return st.rate(ctx, name, figures)
	case "burst":
		return st.burst(ctx, name, rows, 0, figures)
	case "stuck":
		return st.burst(ctx, name, rows, 3, figures)
	}
	return fmt.Errorf("there is no scene %q", scene)
}

func (b *bench) drop(ctx context.Context, admin *pgx.Conn, database string) {
	_, _ = admin.Exec(ctx, "select pg_terminate_backend(active_pid) from pg_replication_slots where database = $1 and active", database)
	for range 100 {
		if _, err := admin.Exec(ctx, "select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = $1", database); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	_, _ = admin.Exec(ctx, "drop database "+database+" with (force)")
}

func populate(ctx context.Context, pool *pgxpool.Pool) error {
	// Without foreign keys and secondary indexes: Postgres itself would else be
	// what limits the rate of rows.
	if _, err := pool.Exec(ctx, schemas.CRM+`;
		alter table messages drop constraint messages_conversation_id_fkey, drop constraint messages_reply_to_id_fkey;
		drop index messages_external_id, messages_by_conversation`); err != nil {
		return err
	}
	for i := range conversations {
		_, err := pool.Exec(ctx, `with c as (insert into contacts (workspace_id, name, phone) values ($1, $2, $3) returning id)
			insert into conversations (id, workspace_id, contact_id) select $4, $1, id from c`,
			workspace, fmt.Sprintf("Contact %d", i), fmt.Sprintf("55119%08d", i), conversationID(i))
		if err != nil {
			return err
		}
	}
	return nil
}

func conversationID(i int) string {
	return fmt.Sprintf("c0000000-0000-4000-8000-%012d", i%conversations)
}
