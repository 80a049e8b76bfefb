package requirements

import (
	"testing"
	"time"

	"chatbridge/configs"
	"chatbridge/mapping"
	"chatbridge/source/postgres/provision"
)

// TestIndexForCatchingUp: an index by which one conversation's messages are found by time
// is asked for where newest messages are looked up, and where clients are caught up from
// the tables.
func TestIndexForCatchingUp(t *testing.T) {
	index := provision.Newest{Conversation: "conversation_id", Workspace: "workspace_id", Time: "created_at"}
	for _, c := range []struct {
		preset string
		far    time.Duration
		want   bool
	}{{"crm", 0, true}, {"crm", time.Hour, true}, {"chatengine", 0, false}, {"chatengine", time.Hour, true}} {
		spec, err := mapping.Load(c.preset, "")
		if err != nil {
			t.Fatal(err)
		}
		cfg := &configs.Config{}
		cfg.Replay.Far = c.far
		for i, table := range configured(cfg, spec).Tables {
			got := table.Newest
			if i > 0 || !c.want {
				if got != nil {
					t.Errorf("%s, %v: %s: %+v", c.preset, c.far, table.Name, got)
				}
			} else if got == nil || *got != index {
				t.Errorf("%s, %v: %+v", c.preset, c.far, got)
			}
		}
	}
}
