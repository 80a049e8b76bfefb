package console

import (
	"strings"
	"testing"
	"time"

	"chatbridge/bridge/gateway"
	"chatbridge/bridge/ops"
)

// figuresOf are the state and the figures of each part of the picture.
func figuresOf(s *ops.Snapshot) map[string]map[string]string {
	r := unknownRates()
	parts := path(s, &r, nil)
	for _, l := range lanes(s, nil) {
		parts = append(parts, l.Parts...)
	}
	all := map[string]map[string]string{}
	for _, p := range parts {
		all[p.ID] = map[string]string{"": p.State}
		for _, f := range p.Figures {
			all[p.ID][f.Name] = f.Value
		}
	}
	return all
}

// TestPathShowsWhatIsBesideIt: who is at ChatEngine through the bridge, the words that are
// not known, and the cluster as its leader and as an edge know it.
func TestPathShowsWhatIsBesideIt(t *testing.T) {
	t.Parallel()
	leader := ops.Cluster{
		Role: ops.ClusterLeader, Leader: "first/1", LeaderSince: time.Now(), Connected: true, Nodes: 2, Appended: 7, Refills: 3, Replaced: 1,
		EvictedUnserved: 4, SessionsKept: 5, SessionsWaiting: 6, SessionsFailed: 2, NoticesDropped: 8, Forwarded: 9, ForwardsFailed: 1,
	}
	edge := leader
	edge.Role, edge.Complete, edge.Rejoins, edge.Read = ops.ClusterEdge, true, 2, 11
	edge.NoticesError = "redis://:hunter22@redis: no right"
	away := leader
	away.Connected, away.Error = false, "redis://:hunter22@redis: refused"
	for name, tt := range map[string]struct {
		change func(*ops.Snapshot)
		part   string
		want   map[string]string
	}{
		"through the gateway": {
			func(s *ops.Snapshot) {
				s.Gateway = &gateway.Stats{Websockets: 1234, Requests: 5, HandedOver: 2, Broken: 1}
			},
			"proxied",
			map[string]string{"": "1\u2009234 connected", "polls under way": "5", "came back to the bridge": "3"},
		},
		"unknown words": {
			func(s *ops.Snapshot) {
				s.Pipeline.Mapping.UnknownWords = map[string]uint64{"message.status": 2, "message.type": 1}
			},
			"mapping",
			map[string]string{"unknown words": "3"},
		},
		"leader": {
			func(s *ops.Snapshot) { s.Cluster = &leader },
			"cluster",
			map[string]string{
				"other bridges": "2", "entries": "7", "appended again": "3", "replaced": "1", "events without room": "4",
				"sessions waiting": "6", "sessions not kept": "2", "notices dropped": "8", "requests passed on": "9", "not passed on": "1",
			},
		},
		"its name": {func(s *ops.Snapshot) { s.Cluster = &leader }, "leader", map[string]string{"": "first/1"}},
		"edge": {
			func(s *ops.Snapshot) { s.Cluster = &edge },
			"edge",
			map[string]string{"": "edge", "entries read": "11", "began anew": "2"},
		},
		"Redis of an edge": {func(s *ops.Snapshot) { s.Cluster = &edge }, "cluster", map[string]string{"other bridges": "2", "no notices come": "redis://:[redacted]@redis: no right"}},
		"Redis away":       {func(s *ops.Snapshot) { s.Cluster = &away }, "cluster", map[string]string{"": "cannot be used", "why": "redis://:[redacted]@redis: refused"}},
	} {
		s := flowing(time.Now())
		tt.change(&s)
		got := figuresOf(&s)[tt.part]
		for figure, want := range tt.want {
			if got[figure] != want {
				t.Errorf("%s: %q is %q, want %q, of %q", name, figure, got[figure], want, got)
			}
		}
		for _, f := range got {
			if strings.Contains(f, "hunter22") {
				t.Errorf("%s shows a secret: %q", name, f)
			}
		}
	}
	s := flowing(time.Now())
	s.Cluster = &ops.Cluster{Role: ops.ClusterLeader, Leader: "first/1", Connected: true}
	if got := figuresOf(&s)["cluster"]; len(got) > 4 {
		t.Errorf("where all is well there is more than that: %q", got)
	}
}

// TestRefusalsHaveTheWords that the mapping does not know, by their member.
func TestRefusalsHaveTheWords(t *testing.T) {
	t.Parallel()
	s := flowing(time.Now())
	s.API.TokensRefused = map[string]uint64{"token_expired": 1}
	s.Pipeline.Mapping.UnknownWords = map[string]uint64{"message.status": 2}
	s.Pipeline.Mapping.UnknownWordsSeen = map[string][]string{"message.status": {"teleported", "<b>"}, "message.type": {"x"}}
	all := new(hour).list(countRefusals(&s), s.Pipeline.Mapping.UnknownWordsSeen)
	if len(all) != 2 || all[0].Reason != "message.status" || strings.Join(all[0].Words, " ") != "teleported <b>" || len(all[1].Words) > 0 {
		t.Errorf("%+v", all)
	}
}

// TestPathSaysHowLongACommitTook: while events come, and a dash while none do.
func TestPathSaysHowLongACommitTook(t *testing.T) {
	t.Parallel()
	s := flowing(time.Now())
	r := unknownRates()
	for _, tt := range []struct {
		p99  float64
		want string
	}{{r.p99, none}, {.0123, "12.3 ms (p99)"}, {2.5, "2.5 s (p99)"}} {
		r.p99 = tt.p99
		p := clientsPart(&s, &r)
		if f := p.Figures[0]; f.Name != "commit to client" || f.Value != tt.want {
			t.Errorf("a p99 of %g s: %s %s, want %s", tt.p99, f.Name, f.Value, tt.want)
		}
	}
}
