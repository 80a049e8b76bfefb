package golden_test

import (
	"encoding/json"
	"sync"
	"testing"

	"chatbridge/mapping/eventschema"
	"chatbridge/mapping/internal/pipelinetest"
)

var validator = sync.OnceValues(eventschema.New)

// checkContract holds a line against the JSON Schema of the events.
func checkContract(t *testing.T, line string) {
	t.Helper()
	v, err := validator()
	if err != nil {
		t.Fatal(err)
	}
	var e pipelinetest.Line
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		t.Errorf("not JSON: %s: %v", line, err)
		return
	}
	if err := v.Validate(e.Event, e.Data); err != nil {
		t.Errorf("%v\n%s", err, line)
	}
}
