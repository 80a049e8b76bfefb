package bridge_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	programs "os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// alertScenes has for each alert of configs/alerts.yaml what really happens when it
// fires. A scene makes it happen to a real bridge, which is scraped before and after.
var alertScenes = map[string]struct {
	run    func(*alertScene)
	causes map[string]string
}{
	"clients": {clientAlerts, map[string]string{
		"BridgeAdminTokensRefused": "somebody tries values of admin.token",
		"BridgeTokensRefused":      "clients come with tokens that are signed with another secret",
		"BridgeTokensUnjudged":     "the table of members cannot be read",
		"BridgeOriginRefused":      "a page of another site connects",
		"BridgeLimitReached":       "more connections come than limits.connections",
	}},
	"spool": {spoolAlerts, map[string]string{
		"BridgeSpoolWaiting":     "ChatEngine answers its probe, and webhooks with 503",
		"BridgeSpoolRefusing":    "while ChatEngine is gone, more webhooks come than spool.max_bytes",
		"BridgeSpoolDeadLetters": "ChatEngine comes back and refuses what was kept",
		"BridgeSpoolSetAside":    "the spool's file is damaged at a start",
		"BridgeSpoolUnavailable": "spool.dir leads through a file",
	}},
	"events": {eventAlerts, map[string]string{
		"BridgeUnknownWord":         "a message has a status that the mapping does not know",
		"BridgeUnmappable":          "a message is of no workspace",
		"BridgeReplayTooSmall":      "more events come within replay.window than replay.max_events",
		"BridgeClientsMissedEvents": "a client was away for longer than the log, and the tables cannot be read",
		"BridgeLookupsFailing":      "the table of contacts cannot be read",
	}},
	"source": {sourceAlerts, map[string]string{
		"BridgeLagging":     "a look-up waits for a lock on the table of contacts",
		"BridgeGap":         "the slot is dropped, and statuses of older messages may be among what it hid",
		"BridgeNobodyLeads": "a program that is no bridge reads the slot",
		"BridgeNotReady":    "the database takes no connections",
	}},
	"slot": {slotAlerts, map[string]string{
		"BridgeSlotShared":    "another bridge is started with the same database, by mistake",
		"BridgeSlotHoldsWAL":  "a transaction is left open while half a gigabyte is written",
		"BridgeSlotLosing":    "the server removed what the slot needs, while the bridge was away",
		"BridgeSourceBlocked": "the same, and the bridge may not create another slot",
	}},
	"realtime": {realtimeAlerts, map[string]string{
		"BridgeReconcileFailing": "PostgREST answers 503",
		"BridgeChannelRefused":   "the table is taken out of the publication",
		"BridgeLedgerFailing":    "the directory of ledger.file is not there",
	}},
	"cluster": {clusterAlerts, map[string]string{
		"BridgeClusterLosesData": "Redis removes what an edge has yet to read",
		"BridgeClusterBroken":    "Redis dies, for an edge",
		"BridgeClusterRedisAway": "Redis dies, for the leader",
	}},
	"cluster of two": {clusterPairAlerts, map[string]string{
		"BridgeClusterEdgeBehind": "an edge's network to Redis is slower than what is published",
		"BridgeClusterRefills":    "somebody empties Redis again and again",
		"BridgeClusterTwoLeaders": "two bridges of a cluster are configured with slots of different names",
		"BridgeClusterDiffers":    "the same",
		"BridgeClusterNameShared": "a bridge of another database has the cluster.name",
		"BridgeClusterNoLeader":   "the database takes no connections, and the leader ends",
	}},
	"descriptors":  {descriptorAlerts, map[string]string{"BridgeFileDescriptors": "connections take four fifths of the files that the process may open"}},
	"slow clients": {slowClientAlerts, map[string]string{"BridgeSlowClients": "clients stop to read"}},
	"process": {processAlerts, map[string]string{
		"BridgeReloadFailed":       "a reload of a configuration that is none",
		"BridgeCertificateExpires": "the certificate has three days left",
		"BridgeDown":               "the bridge has ended",
		"BridgeRestarting":         "the bridge starts again and again",
	}},
	"panic": {panicAlerts, map[string]string{"BridgePanic": "a callback of the transports' server panics"}},
	"gateway": {gatewayAlerts, map[string]string{
		"BridgeServesAlone":     "ChatEngine is gone",
		"BridgeGatewayFlapping": "ChatEngine dies and comes back four times",
		"BridgeGatewayHeld":     "an operator holds the gateway",
	}},
}

// TestEachAlertFiresByItsCause: over the clock of Prometheus's own evaluation, which
// goes on from what was really scraped; none fires on the bridge before its fault.
func TestEachAlertFiresByItsCause(t *testing.T) {
	t.Parallel()
	promtool, err := programs.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("promtool is not installed: scripts/prepare prometheus")
		}
		t.Skip("promtool is not installed: scripts/prepare prometheus")
	}
	rules := readAlertRules(t)
	left := maps.Clone(rules.wait)
	for name, scene := range alertScenes {
		for alert := range scene.causes {
			if _, known := left[alert]; !known {
				t.Errorf("%s is no alert, or has two causes", alert)
			}
			delete(left, alert)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &alertScene{t: t, rules: rules, causes: scene.causes, left: maps.Clone(scene.causes)}
			scene.run(s)
			for alert := range s.left {
				t.Errorf("%s was not made to fire", alert)
			}
			s.evaluate(promtool)
		})
	}
	for alert := range left {
		t.Errorf("%s has no cause in alertScenes", alert)
	}
}

// evaluate has Prometheus's rules tried over what was scraped.
func (s *alertScene) evaluate(promtool string) {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "tests.yaml")
	text, err := yaml.Marshal(map[string]any{"rule_files": []string{s.rules.path}, "evaluation_interval": "1m", "tests": s.tests})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		s.t.Fatal(err)
	}
	if out, err := programs.Command(promtool, "test", "rules", file).CombinedOutput(); err != nil {
		s.t.Errorf("promtool: %v\n%s", err, out)
	}
}

// alertRules are the alerts of configs/alerts.yaml.
type alertRules struct {
	path string
	// wait is each alert's `for`, in minutes.
	wait map[string]int
	// asks are the metrics that each asks for; "" stands for all of them.
	asks map[string]map[string]bool
}

func readAlertRules(t *testing.T) *alertRules {
	t.Helper()
	path, err := filepath.Abs("../configs/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				For         string
			}
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	r := &alertRules{path: path, wait: map[string]int{}, asks: map[string]map[string]bool{"": {}}}
	for _, g := range file.Groups {
		for _, rule := range g.Rules {
			var wait time.Duration
			if rule.For != "" {
				if wait, err = time.ParseDuration(rule.For); err != nil {
					t.Fatal(err)
				}
			}
			r.wait[rule.Alert] = int(wait.Minutes())
			r.asks[rule.Alert] = map[string]bool{"up": true}
			for _, name := range regexp.MustCompile(`\b(?:bridge|process|go)_[a-z_]+`).FindAllString(rule.Expr, -1) {
				r.asks[rule.Alert][name], r.asks[""][name] = true, true
			}
		}
	}
	return r
}

// alertScene is a scene with the bridge before its fault.
type alertScene struct {
	t     *testing.T
	rules *alertRules
	// tests are what promtool is to try.
	tests []any
	// causes are the alerts that it is about, left those that are yet to fire.
	causes, left map[string]string
	// wells are what was scraped of each bridge while all was well.
	wells []scraped
}

func instanceName(i int) string { return fmt.Sprint("bridge-", i) }

// scraped is what a scrape saw, nil where nobody answered.
type scraped struct {
	at     time.Time
	values map[string]float64
}

// scrape reads /metrics as Prometheus does.
func (s *alertScene) scrape(d *daemonTest) scraped {
	s.t.Helper()
	return s.scrapeAt("http://" + d.AdminAddr().String())
}

func (s *alertScene) scrapeAt(admin string) scraped {
	s.t.Helper()
	out := scraped{at: time.Now()}
	resp, err := http.Get(admin + "/metrics")
	if err != nil {
		return out
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return out
	}
	out.values = s.parse(string(text))
	return out
}

func (s *alertScene) parse(text string) map[string]float64 {
	s.t.Helper()
	values := map[string]float64{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		name, _, _ := strings.Cut(line, "{")
		name, _, _ = strings.Cut(name, " ")
		if !s.rules.asks[""][name] {
			continue
		}
		end := strings.LastIndexByte(line, ' ')
		v, err := strconv.ParseFloat(line[end+1:], 64)
		if err != nil {
			s.t.Fatalf("%q: %v", line, err)
		}
		values[line[:end]] = v
	}
	if len(values) == 0 {
		s.t.Fatal("nothing that an alert asks for was scraped")
	}
	return values
}

// well scrapes bridges where all is well: no alert fires.
func (s *alertScene) well(bridges ...*daemonTest) {
	s.t.Helper()
	var seen []scraped
	for _, d := range bridges {
		seen = append(seen, s.scrape(d))
	}
	s.wellAs(seen...)
}

func (s *alertScene) wellAs(seen ...scraped) {
	s.t.Helper()
	s.wells = seen
	var input []any
	for i, sc := range seen {
		if sc.values == nil {
			s.t.Fatal("nobody answers a scrape")
		}
		input = append(input, s.series("", instanceName(i), sc, nil, wellFor, wellFor-1, course{})...)
	}
	s.test("well", input, expectation(`sum by (alertname) (ALERTS{alertstate="firing"})`, wellFor-1))
}

// wellFor is for how many minutes all was well.
const wellFor = 20

// course is how a scene goes on after the first fault.
type course struct {
	// again has what was counted happen again each minute.
	again bool
	// ages are metrics of a time that passes while nothing else happens.
	ages []string
	// later is how many minutes it takes until what is asked for holds.
	later int
	// others are the bridges after the first as they are from the fault on. Those of which
	// there is nothing have ended.
	others []scraped
}

// fires says that an alert is to fire now: after is the one bridge, or the first of
// several, as scraped one minute after the other from the fault on.
func (s *alertScene) fires(alert string, c course, after ...scraped) {
	s.t.Helper()
	if _, planned := s.causes[alert]; !planned {
		s.t.Errorf("%s is not among the scene's causes", alert)
	}
	delete(s.left, alert)
	s.expect(alert, 1, c, after)
}

// spares says that an alert is not to fire: what it is for is not so, whatever else is.
func (s *alertScene) spares(alert string, c course, after ...scraped) {
	s.t.Helper()
	s.expect(alert, 0, c, after)
}

func (s *alertScene) expect(alert string, firing float64, c course, after []scraped) {
	s.t.Helper()
	start := 0
	if s.wells != nil {
		start = wellFor
	}
	end := start + len(after) + s.rules.wait[alert]
	switch {
	case c.again:
		end += 5 // until all of what a rate looks at is of this course
	case len(c.ages) > 0:
		end += 6 // none of the times that are asked for is longer than 5 minutes
	}
	end += c.later
	var input []any
	for i, well := range s.wells {
		now := after
		if i > 0 {
			now = c.others[min(i-1, len(c.others)):min(i, len(c.others))]
		}
		input = append(input, s.series(alert, instanceName(i), well, now, start, end, c)...)
	}
	if s.wells == nil {
		input = s.series(alert, instanceName(0), after[0], after, start, end, c)
	}
	s.test(alert, input, expectation(fmt.Sprintf(`(count(ALERTS{alertname=%q,alertstate="firing"}) or vector(0)) > bool 0`, alert), end, firing))
}

func (s *alertScene) test(name string, input []any, expects any) {
	s.tests = append(s.tests, map[string]any{"interval": "1m", "name": name, "input_series": input, "promql_expr_test": []any{expects}})
}

// expectation is what a question is answered at a minute: a value, or nothing.
func expectation(question string, minute int, values ...float64) any {
	samples := []any{}
	for _, v := range values {
		samples = append(samples, map[string]any{"labels": "{}", "value": v})
	}
	return map[string]any{"expr": question, "eval_time": fmt.Sprint(minute, "m"), "exp_samples": samples}
}

// series are the values of an instance that an alert asks for, one a minute: what was scraped while all was
// well, then what was scraped from the fault on, then what that was last. A series that
// ends is marked as Prometheus does when a scrape lacks it.
func (s *alertScene) series(alert, instance string, well scraped, fault []scraped, start, end int, c course) []any {
	names := map[string]bool{}
	for _, sc := range append([]scraped{well}, fault...) {
		for name := range sc.values {
			if metric, _, _ := strings.Cut(name, "{"); s.rules.asks[alert][metric] {
				names[name] = true
			}
		}
	}
	all := []any{}
	add := func(name string, at func(minute int) (float64, bool)) {
		var text []string
		had := false
		for m := range end + 1 {
			v, ok := at(m)
			switch {
			case ok:
				text = append(text, strconv.FormatFloat(v, 'f', -1, 64))
			case had:
				text = append(text, "stale")
			default:
				text = append(text, "_")
			}
			had = ok
		}
		metric, labels, _ := strings.Cut(name, "{")
		labels = strings.TrimSuffix(labels, "}")
		if labels != "" {
			labels += ","
		}
		all = append(all, map[string]any{"series": fmt.Sprintf(`%s{%sjob="chatbridge",instance=%q}`, metric, labels, instance), "values": strings.Join(text, " ")})
	}
	seen := func(m int) (sc scraped, of int) {
		if m < start {
			return well, m
		}
		if len(fault) == 0 {
			return scraped{}, m
		}
		of = min(m-start, len(fault)-1)
		return fault[of], start + of
	}
	add("up", func(m int) (float64, bool) {
		sc, _ := seen(m)
		if sc.values == nil {
			return 0, m < start || len(fault) > 0
		}
		return 1, true
	})
	for _, name := range slices.Sorted(maps.Keys(names)) {
		metric, _, _ := strings.Cut(name, "{")
		time := strings.HasSuffix(metric, "_timestamp_seconds")
		var last, lastReal float64
		add(name, func(m int) (float64, bool) {
			sc, of := seen(m)
			v, ok := sc.values[name]
			switch {
			case !ok:
				return 0, false
			case !time:
				since := float64(m - of)
				if m < start {
					since = 0
				}
				if slices.Contains(c.ages, metric) {
					return v + 60*since, true
				}
				if before := well.values[name]; c.again && strings.HasSuffix(metric, "_total") && m > start {
					return v + since*(v-before), true
				}
				return v, true
			case metric == "bridge_realtime_reconcile_last_success_timestamp_seconds" && m < start:
				// It goes on.
			case m > 0 && v == lastReal:
				return last, true
			}
			last, lastReal = v-float64(sc.at.UnixMilli())/1000+60*float64(of), v
			return last, true
		})
	}
	return all
}
