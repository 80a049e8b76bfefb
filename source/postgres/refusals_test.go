package postgres_test

import (
	"strings"
	"testing"
	"time"

	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/source/postgres"
)

// TestShortRefusals: a refusal that is over after some seconds costs little
// more than that, and one line.
func TestShortRefusals(t *testing.T) {
	t.Parallel()
	c := pgtest.Cluster(t, throwaway.Options{TCP: true})
	for name, k := range map[string]struct{ refuse, admit string }{
		"53300": {`alter role ROLE connection limit 0`, `alter role ROLE connection limit -1`},
		"28P01": {`alter role ROLE password 'other'`, `alter role ROLE password 'x'`},
		"28000": {`alter role ROLE nologin`, `alter role ROLE login`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			role := "r" + strings.ToLower(name)
			sql := func(s string) string { return strings.ReplaceAll(s, "ROLE", role) }
			url := pgtest.On(t, c, simple, `create role `+role+` login replication password 'x'`)
			src, rec := start(t, postgres.Options{URL: as(t, url, role), SlowRetry: 30 * time.Second, MaxRetry: 5 * time.Second})
			exec(t, url, sql(k.refuse), sql(`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'ROLE'`))
			s := src.awaitState(t, postgres.Blocked)
			if s.LastError.Code != name {
				t.Errorf("code %s", s.LastError.Code)
			}
			time.Sleep(4 * time.Second) // the refusal's length
			exec(t, url, sql(k.admit), `insert into t values (1)`)
			began := time.Now()
			rec.awaitRows(t, 1)
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %v more", took)
			}
			if n := strings.Count(src.log.String(), "postgres source blocked"); n != 1 {
				t.Errorf("said %d times:\n%s", n, src.log.String())
			}
		})
	}
}
