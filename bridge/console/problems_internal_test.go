package console

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"chatbridge/bridge/gateway"
	"chatbridge/bridge/gateway/spool"
	"chatbridge/bridge/ops"
	"chatbridge/docs"
	"chatbridge/source"
	"chatbridge/source/ledgerfile"
	"chatbridge/source/postgres"
	"chatbridge/source/realtime"
)

// troubles are Snapshots by what is wrong, each with what the page says first.
func troubles() map[string]struct {
	change  func(*ops.Snapshot)
	level   Level
	title   string
	runbook string
	part    string
} {
	type trouble = struct {
		change  func(*ops.Snapshot)
		level   Level
		title   string
		runbook string
		part    string
	}
	away := func(for_ time.Duration, state ops.State) func(*ops.Snapshot) {
		return func(s *ops.Snapshot) {
			s.Source.State, s.Source.Flowing, s.Source.Reason = state, false, "connection refused"
			s.Source.FlowedUntil = s.Taken.Add(-for_)
			s.Ready = ops.ReadinessOf(s.Source, 30*time.Second, s.Taken)
		}
	}
	gate := func(status gateway.Status) func(*ops.Snapshot) {
		return func(s *ops.Snapshot) { s.Gateway = &gateway.Stats{Status: status} }
	}
	slot := func(status postgres.SlotStatus) func(*ops.Snapshot) {
		return func(s *ops.Snapshot) { s.Postgres = &postgres.Stats{Slot: &status} }
	}
	kept := func(st spool.Stats) func(*ops.Snapshot) {
		return func(s *ops.Snapshot) {
			s.Spool, s.Gateway = &st, &gateway.Stats{Status: gateway.Status{Healthy: true, Mode: gateway.Auto}}
		}
	}
	return map[string]trouble{
		"nothing":       {func(*ops.Snapshot) {}, OK, "Events flow; no client is connected", "", ""},
		"clients":       {func(s *ops.Snapshot) { s.Sockets.Sockets = 2 }, OK, "Events flow to 2 clients", "", ""},
		"a moment away": {away(5*time.Second, ops.StateRetrying), Degraded, "The database went away a moment ago", "bridgenotready", "source"},
		"away":          {away(5*time.Minute, ops.StateRetrying), Down, "Events do not flow since", "bridgenotready", "source"},
		"blocked":       {away(5*time.Minute, ops.StateBlocked), Down, "Events do not flow: the database has to be changed first", "bridgesourceblocked", "source"},
		"stands by":     {away(0, ops.StateStandby), Note, "Another bridge serves", "", "source"},
		"late":          {func(s *ops.Snapshot) { s.Source.Lag = 42 }, Degraded, "Events are 42 s late", "bridgelagging", "source"},
		"losing":        {func(s *ops.Snapshot) { s.Source.Losing = "the publication lacks messages" }, Degraded, "Events flow, and some may be missing", "bridgesourceblocked", "source"},
		"gap":           {func(s *ops.Snapshot) { s.Pipeline.LastGap = &source.Gap{Reason: "x", Until: s.Taken.Add(-time.Minute)} }, Degraded, "Changes were lost until", "bridgegap", "source"},
		"old gap": {func(s *ops.Snapshot) {
			s.Pipeline.LastGap = &source.Gap{Reason: "x", Until: s.Taken.Add(-2 * time.Hour)}
		}, OK, "Events flow", "", ""},
		"slot lost":   {slot(postgres.SlotStatus{WALStatus: "lost"}), Degraded, "The slot is lost", "bridgeslotlosing", "database"},
		"slot losing": {slot(postgres.SlotStatus{WALStatus: "unreserved"}), Degraded, "The server is about to remove WAL", "bridgeslotlosing", "database"},
		"slot holds":  {slot(postgres.SlotStatus{WALStatus: "extended", HeldBack: 1 << 30}), Degraded, "The slot holds 1 GiB of WAL", "bridgeslotholdswal", "database"},
		"look-ups":    {func(s *ops.Snapshot) { s.Pipeline.Mapping.Lookups.Failing = true }, Degraded, "Look-ups fail", "bridgelookupsfailing", "mapping"},
		"unmappable":  {func(s *ops.Snapshot) { s.Pipeline.Mapping.Unmappable = map[string]uint64{"no_key": 1} }, Note, "Events flow; no client is connected", "bridgeunmappable", "mapping"},
		"unknown words": {func(s *ops.Snapshot) {
			s.Pipeline.Mapping.UnknownWords = map[string]uint64{"message.status": 2, "message.type": 0}
			s.Pipeline.Mapping.UnknownWordsSeen = map[string][]string{"message.status": {"teleported"}}
		}, Note, "Events flow", "bridgeunknownword", "mapping"},
		"rivals": {func(s *ops.Snapshot) { s.Source.Rivals = []string{"spare/42"} }, Degraded, "Another bridge uses the slot of this one", "bridgeslotshared", "database"},
		"edge late": {func(s *ops.Snapshot) {
			s.Source.Lag, s.Cluster = 42, &ops.Cluster{Role: ops.ClusterEdge, Leader: "first/1", Connected: true, Complete: true}
		}, Degraded, "Events are 42 s late", "bridgeclusteredgebehind", "source"},
		"ledger":          {func(s *ops.Snapshot) { s.Ledger = &ledgerfile.Stats{Error: "disk full"} }, Degraded, "The ledger file cannot be written", "bridgeledgerfailing", "mapping"},
		"keys":            {func(s *ops.Snapshot) { s.Auth.Keys.Error = "no answer" }, Degraded, "The keys that tokens are verified with", "bridgetokensunjudged", "clients"},
		"ChatEngine":      {gate(gateway.Status{State: gateway.Local, Mode: gateway.Auto, Reason: "refused"}), Degraded, "ChatEngine is down; the bridge serves its clients", "bridgeservesalone", "chatengine"},
		"nobody serves":   {gate(gateway.Status{State: gateway.Upstream, Mode: gateway.HoldUpstream, Probed: time.Now()}), Down, "ChatEngine does not answer, and by your order", "bridgegatewayheld", "chatengine"},
		"held":            {gate(gateway.Status{State: gateway.Local, Mode: gateway.HoldLocal, Healthy: true}), Note, "Events flow", "bridgegatewayheld", "chatengine"},
		"held, and down":  {gate(gateway.Status{State: gateway.Local, Mode: gateway.HoldLocal, Probed: time.Now(), ProbeError: "refused"}), Degraded, "ChatEngine does not answer; by your order the bridge serves", "bridgegatewayheld", "chatengine"},
		"ChatEngine well": {gate(gateway.Status{State: gateway.Upstream, Mode: gateway.Auto, Healthy: true}), OK, "ChatEngine serves; the bridge is ready to take over", "", ""},
		"spool closed":    {kept(spool.Stats{Error: "read-only"}), Degraded, "Webhooks cannot be kept", "bridgespoolunavailable", "webhooks"},
		"spool full":      {kept(spool.Stats{Open: true, Bytes: 100, MaxBytes: 100, Refused: map[string]uint64{"full": 1}}), Degraded, "The spool is full", "bridgespoolrefusing", "webhooks"},
		"spool waits":     {kept(spool.Stats{Open: true, OldestAge: time.Hour}), Degraded, "A webhook has waited for 60 min", "bridgespoolwaiting", "webhooks"},
		"dead letters":    {kept(spool.Stats{Open: true, Dead: 2}), Note, "ChatEngine serves", "bridgespooldeadletters", "webhooks"},
		"spool damaged":   {kept(spool.Stats{Open: true, SetAside: 1}), Degraded, "The spool's file was damaged", "bridgespoolsetaside", "webhooks"},
		"no Redis":        {func(s *ops.Snapshot) { s.Cluster = &ops.Cluster{Role: ops.ClusterLeader, Error: "refused"} }, Degraded, "Redis cannot be used", "bridgeclusterredisaway", "cluster"},
		"no leader":       {func(s *ops.Snapshot) { s.Cluster = &ops.Cluster{Role: ops.ClusterEdge} }, Degraded, "This bridge hears no leader", "bridgeclusterbroken", "cluster"},
		"a foreign bridge": {func(s *ops.Snapshot) {
			s.Cluster = &ops.Cluster{Role: ops.ClusterLeader, Connected: true, Foreign: []ops.ForeignBridge{{Bridge: "other/7"}}}
		}, Degraded, "A bridge of another database has this cluster's name: other/7", "bridgeclusternameshared", "cluster"},
		"a setting differs": {func(s *ops.Snapshot) {
			s.Cluster = &ops.Cluster{Role: ops.ClusterLeader, Connected: true, Differing: []ops.DifferingBridge{{Bridge: "other/7", Setting: "mapping"}}}
		}, Degraded, "A bridge of the cluster has another mapping", "bridgeclusterdiffers", "cluster"},
		"another version": {func(s *ops.Snapshot) {
			s.Cluster = &ops.Cluster{Role: ops.ClusterLeader, Connected: true, Outdated: []string{"http://10.0.0.5:8080"}}
		}, Degraded, "A bridge of another version has this cluster's name", "bridgeclusterdiffers", "cluster"},
		"reload":      {func(s *ops.Snapshot) { s.Reload = ops.Reload{Failed: 1, Error: "limits.payload"} }, Degraded, "The last reload was refused", "bridgereloadfailed", "bridge"},
		"certificate": {func(s *ops.Snapshot) { s.CertificateExpires = s.Taken.Add(-time.Second) }, Down, "The TLS certificate has expired", "bridgecertificateexpires", "bridge"},
		"descriptors": {func(s *ops.Snapshot) { s.DescriptorsRefused = 1 }, Note, "Events flow", "bridgefiledescriptors", "bridge"},
		"headless":    {func(s *ops.Snapshot) { s.HeadlessClosed = 2 }, Note, "Events flow", "bridgelimitreached", "bridge"},
		"cannot send": {func(s *ops.Snapshot) { s.SendMode, s.Send.Reason = "outbox", "no right" }, Degraded, "What clients write cannot be sent", "sending", "clients"},
		"channel": {func(s *ops.Snapshot) {
			s.Realtime = &realtime.Stats{Channels: []realtime.ChannelStats{{Table: "public.messages", State: realtime.ChannelRefused, Error: "not in the publication"}}}
		}, Degraded, "Realtime refuses the table public.messages", "bridgechannelrefused", "source"},
		"stops": {func(s *ops.Snapshot) { s.Ready = ops.Stopping() }, Down, "The bridge is shutting down", "", "bridge"},
	}
}

// TestVerdict: the first sentence names the worst trouble, what is wrong carries it, and the
// runbook has an entry for it.
func TestVerdict(t *testing.T) {
	t.Parallel()
	runbook := runbookAnchors(t)
	for name, tt := range troubles() {
		s := flowing(time.Now().Add(-time.Hour))
		tt.change(&s)
		found := problems(&s)
		v := verdict(&s, found)
		if v.Level != tt.level || !strings.HasPrefix(v.Title, tt.title) || v.Runbook != tt.runbook {
			t.Errorf("%s: %v %q (%s), want %v %q (%s)", name, v.Level, v.Title, v.Runbook, tt.level, tt.title, tt.runbook)
		}
		if v.Level > Note && v.Do == "" && v.What == "" {
			t.Errorf("%s: neither why nor what to do", name)
		}
		if v.Runbook != "" && v.Runbook != "sending" && !runbook[v.Runbook] {
			t.Errorf("%s: the runbook has no #%s", name, v.Runbook)
		}
		r := unknownRates()
		parts := path(&s, &r, found)
		for _, l := range lanes(&s, found) {
			parts = append(parts, l.Parts...)
		}
		marked := tt.part == "" || tt.part == "bridge"
		for _, p := range parts {
			marked = marked || p.ID == tt.part && p.Level == tt.level
		}
		if !marked {
			t.Errorf("%s: the picture does not show it at %s: %+v", name, tt.part, parts)
		}
	}
}

// TestStateHasNoNull: the page reads lists as lists, whatever is wrong.
func TestStateHasNoNull(t *testing.T) {
	t.Parallel()
	for name, tt := range troubles() {
		s := flowing(time.Now().Add(-time.Hour))
		tt.change(&s)
		c := New(Options{Docs: docs.Files, Snapshot: func() ops.Snapshot { return s }})
		for range 2 {
			w := httptest.NewRecorder()
			c.Handler(May{}).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/console/state", nil))
			if strings.Contains(w.Body.String(), ":null") {
				t.Errorf("%s: %s", name, w.Body)
			}
			(&watcher{c: c}).poll()
		}
	}
}

// TestTheWorstIsFirst.
func TestTheWorstIsFirst(t *testing.T) {
	t.Parallel()
	s := flowing(time.Now().Add(-time.Hour))
	all := troubles()
	for _, name := range []string{"unmappable", "ledger", "blocked"} {
		all[name].change(&s)
	}
	found := problems(&s)
	if len(found) != 3 || found[0].Level != Down || found[1].Level != Degraded || found[2].Level != Note {
		t.Errorf("%+v", found)
	}
}

// TestSecretsAreScrubbed from what libraries said.
func TestSecretsAreScrubbed(t *testing.T) {
	t.Parallel()
	s := flowing(time.Now().Add(-time.Hour))
	const secret = "hunter22"
	s.Source.State, s.Source.Flowing = ops.StateRetrying, false
	s.Source.Reason = "dial postgres://crm:" + secret + "@db/crm: refused"
	s.Source.Remedy = s.Source.Reason
	for _, p := range problems(&s) {
		if strings.Contains(p.What+p.Do, secret) {
			t.Errorf("%+v", p)
		}
	}
	for _, e := range after(s) {
		if strings.Contains(e.Reason+e.Do, secret) {
			t.Errorf("%+v", e)
		}
	}
}

// TestRemedyIsSaidOnce where the error has it as well.
func TestRemedyIsSaidOnce(t *testing.T) {
	t.Parallel()
	s := flowing(time.Now().Add(-time.Hour))
	s.Source.State, s.Source.Flowing = ops.StateRetrying, false
	s.Source.Remedy = "start Postgres"
	s.Source.Reason = "connection refused; start Postgres"
	p, e := problems(&s)[0], after(s)
	if p.What != "connection refused" || p.Do != "start Postgres" {
		t.Errorf("%+v", p)
	}
	if last := e[len(e)-1]; last.Reason != "connection refused" || last.Do != "start Postgres" {
		t.Errorf("%+v", last)
	}
}
