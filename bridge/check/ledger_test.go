package check_test

import (
	"os"
	"path/filepath"
	"testing"
)

// TestALedgerThatIsNone: a path that has somebody else's file is found before the start.
func TestALedgerThatIsNone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bridge.yaml")
	if err := os.WriteFile(path, []byte("source:\n  kind: realtime\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := findings(t, load(t, "BRIDGE_LEDGER_FILE="+path, "BRIDGE_SOURCE_KIND=realtime", "SUPABASE_URL=http://127.0.0.1:1", "SUPABASE_SERVICE_ROLE_KEY=sb_secret_x", "BRIDGE_AUTH_JWKS_URL=none"))
	if _, told := f["warn ledger.file"]; !told {
		t.Errorf("it is not told: %v", f["ok ledger.file"])
	}
}
