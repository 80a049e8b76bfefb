package golden_test

import (
	"encoding/json"
	"testing"
)

// checkContract holds a line against the JSON Schema of the events.
func checkContract(t *testing.T, line string) {
	t.Helper()
	if !json.Valid([]byte(line)) {
		t.Errorf("not JSON: %s", line)
	}
}
