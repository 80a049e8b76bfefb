package handover

import (
	"testing"
	"time"
)

// TestProgress goes through what sets the bridge's state forward and back.
func TestProgress(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	steps := map[string]func(*progress){
		"accepted": (*progress).accepted,
		"lost":     (*progress).lost,
		"restart":  (*progress).restart,
		"fresh":    func(p *progress) { p.fresh(now) },
	}
	for name, row := range map[string]struct{ absent, feeding, settled, asked bridgeState }{
		"accepted": {feeding, feeding, settled, asked},
		"lost":     {absent, absent, absent, absent},
		"restart":  {absent, feeding, feeding, feeding},
		"fresh":    {absent, settled, settled, asked},
	} {
		for from, want := range []bridgeState{row.absent, row.feeding, row.settled, row.asked} {
			p := progress{state: bridgeState(from), settledAt: now}
			steps[name](&p)
			if p.state != want {
				t.Errorf("%s in state %d: %d, want %d", name, from, p.state, want)
			}
		}
	}
	p := progress{}
	p.accepted()
	p.fresh(now)
	if p.due(now.Add(time.Second-1), time.Second) || !p.due(now.Add(time.Second), time.Second) {
		t.Error("it is due a second after it is settled")
	}
	first := p.ask()
	if !p.answers(first) || p.answers(first+1) || p.due(now.Add(time.Hour), 0) {
		t.Error("the question that is open is the first")
	}
	p.restart()
	if p.answers(first) {
		t.Error("the answer to a question of before a new subscription counts")
	}
	p.fresh(now)
	if second := p.ask(); second == first || p.answers(first) || !p.answers(second) {
		t.Error("the second question is not told from the first")
	}
}
