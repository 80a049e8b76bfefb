package pgtest_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"

	"github.com/jackc/pgx/v5"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func TestDBIsFreshAndLogical(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, schemas.CRM)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	var level, fsync string
	var tables int
	err = conn.QueryRow(t.Context(), `select current_setting('wal_level'), current_setting('fsync'),
		(select count(*) from pg_publication_tables where pubname = 'supabase_realtime')`).Scan(&level, &fsync, &tables)
	if err != nil {
		t.Fatal(err)
	}
	if level != "logical" || fsync != "off" || tables != 2 {
		t.Errorf("got wal_level %s, fsync %s, %d published tables; want logical, off, 2", level, fsync, tables)
	}
}

func TestDBDropsItsSlots(t *testing.T) {
	var url string
	t.Run("leaves a slot", func(t *testing.T) {
		url = pgtest.DB(t, "select pg_create_logical_replication_slot('left_behind', 'pgoutput')")
	})
	if err := pgtest.Exec(t.Context(), url); err == nil {
		t.Error("the database is still there after its test")
	}
	// The name is free again.
	pgtest.DB(t, "select pg_create_logical_replication_slot('left_behind', 'pgoutput')")
}

func TestVersions(t *testing.T) {
	t.Parallel()
	for _, v := range pgtest.Versions(t, "17", "18") {
		t.Run(v, func(t *testing.T) {
			t.Parallel()
			c := pgtest.Cluster(t, throwaway.Options{Bin: pgtest.Version(t, v), TCP: true})
			conn, err := pgx.Connect(t.Context(), c.URL("postgres"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(context.WithoutCancel(t.Context()))
			var got string
			if err := conn.QueryRow(t.Context(), `select current_setting('server_version_num')::int / 10000 || ' ' || current_setting('wal_level')`).Scan(&got); err != nil {
				t.Fatal(err)
			}
			if got != v+" logical" {
				t.Errorf("got %s, want %s logical", got, v)
			}
		})
	}
}

// TestProgramsInAClosedFolder: root runs the server as another user, who may
// not pass through root's home.
func TestProgramsInAClosedFolder(t *testing.T) {
	t.Parallel()
	closed := filepath.Join(t.TempDir(), "a closed folder")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	prefix := filepath.Dir(pgtest.Version(t, "17"))
	if err := os.CopyFS(filepath.Join(closed, "pg"), os.DirFS(prefix)); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(closed, "pg", "bin")
	t.Run("start", func(t *testing.T) {
		c := pgtest.Cluster(t, throwaway.Options{Bin: bin})
		if err := c.Restart(t.Context(), "fast"); err != nil {
			t.Fatal(err)
		}
		if err := pgtest.Exec(t.Context(), c.URL("postgres"), "select 1"); err != nil {
			t.Error(err)
		}
	})
	t.Run("template", func(t *testing.T) {
		template, err := throwaway.NewTemplate(t.Context(), bin)
		if err != nil {
			t.Fatal(err)
		}
		defer template.Remove()
		c := pgtest.Cluster(t, throwaway.Options{Template: template})
		if err := pgtest.Exec(t.Context(), c.URL("postgres"), "select 1"); err != nil {
			t.Error(err)
		}
	})
}
