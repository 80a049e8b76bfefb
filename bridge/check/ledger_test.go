package check_test

import (
	"os"
	"path/filepath"
	"strings"
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

// TestAStateFileThatIsNone: so is one under the name of the state file, or of the departures
// beside it, which the bridge would have to replace.
func TestAStateFileThatIsNone(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"", "-departures"} {
		path := filepath.Join(t.TempDir(), "state")
		if err := os.WriteFile(path+end, []byte("a diary\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		f := findings(t, load(t, "DATABASE_URL=postgres://127.0.0.1:1/x", "BRIDGE_REPLAY_STATE_FILE="+path, "CHATENGINE_URL=http://127.0.0.1:9"))
		if got, told := f["warn replay.state_file"]; !told || got.Object != path+end || !strings.Contains(got.What, "no file of the bridge's") {
			t.Errorf("%q: %+v", end, got)
		}
		if text, err := os.ReadFile(path + end); err != nil || string(text) != "a diary\n" {
			t.Errorf("%q: now it is %q, %v", end, text, err)
		}
	}
}
