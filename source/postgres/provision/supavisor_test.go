package provision_test

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"chatbridge/source/postgres/provision"

	"github.com/jackc/pgx/v5/pgconn"
)

// TestSupavisor: its refusal and its host names are recognised, and where a pooler will
// not do, the direct address is the remedy.
func TestSupavisor(t *testing.T) {
	t.Parallel()
	const host = "aws-0-eu-central-1.pooler.supabase.com"
	dns := &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	tenant := &pgconn.PgError{Code: "XX000", Message: "Tenant or user not found"}
	for name, tt := range map[string]struct {
		setting string
		err     error
		id, fix string
		said    string
	}{
		"tenant":         {"source.postgres.url", tenant, "connect.pooler", "db.<project>.supabase.co", "Tenant or user not found (XX000)"},
		"tenant, newer":  {"source.postgres.url", &pgconn.PgError{Code: "XX000", Message: "(ENOTFOUND) tenant/user postgres.abc not found"}, "connect.pooler", "db.<project>.supabase.co", "ENOTFOUND"},
		"lookup.url":     {"lookup.url", tenant, "connect.failed", "postgres.<project>", "Tenant"},
		"another XX000":  {"source.postgres.url", &pgconn.PgError{Code: "XX000", Message: "cache lookup failed"}, "connect.failed", "server's log", "cache lookup"},
		"DNS, twice":     {"source.postgres.url", fmt.Errorf("failed to connect:\n\thostname resolving error: %w\n\thostname resolving error: %w", dns, dns), "connect.host", "db.<project>.supabase.co", "no such host"},
		"DNS of lookups": {"lookup.url", dns, "connect.host", "check the host name in lookup.url", "no such host"},
	} {
		t.Run(name, func(t *testing.T) {
			f := provision.Connect(tt.setting, tt.err)
			if f.ID != tt.id || !strings.Contains(f.Fix, tt.fix) || strings.Count(f.What, tt.said) != 1 {
				t.Errorf("%+v", f)
			}
		})
	}
	for _, name := range []string{host, "x.pooler.supabase.net"} {
		// It is told by its name: nothing is asked.
		f := provision.Replication(t.Context(), "source.postgres.url", "postgres://postgres.abc:x@"+name+":5432/postgres")
		if f.ID != "connect.pooler" || !strings.Contains(f.Fix, "db.<project>.supabase.co") {
			t.Errorf("%+v", f)
		}
	}
}
