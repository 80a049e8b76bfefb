package opstest_test

import (
	"context"
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"chatbridge/bridge/auth"
	"chatbridge/demo"
	"chatbridge/internal/postgrestdouble"
	"chatbridge/internal/realtimedouble"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/internal/throwaway/redistest"
)

// dashboard is what of configs/grafana/bridge.json is looked at.
type dashboard struct {
	Panels []struct {
		ID      int
		Type    string
		Title   string
		GridPos struct{ X, Y, W, H int }
		Targets []struct{ Expr string }
	}
	Templating struct {
		List []struct{ Name, Query string }
	}
	Annotations struct{ List []struct{ Name, Expr string } }
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	if err := json.Unmarshal([]byte(read(t, "configs", "grafana", "bridge.json")), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDashboardUsesWhatExists: its metrics are shown, its panels are where there is room,
// and all is by the chosen source and instances.
func TestDashboardUsesWhatExists(t *testing.T) {
	shown := read(t, "bridge", "ops", "testdata", "metrics.txt")
	ids, titles := map[int]bool{}, map[string]bool{}
	section := ""
	for _, p := range readDashboard(t).Panels {
		if p.Type == "row" {
			section = p.Title
			continue
		}
		if title := section + "/" + p.Title; ids[p.ID] || titles[title] || len(p.Targets) == 0 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %d, %s: its id, its title, its queries or its place", p.ID, title)
		} else {
			ids[p.ID], titles[title] = true, true
		}
		for _, q := range p.Targets {
			for _, name := range regexp.MustCompile(`\bbridge_[a-z_]+`).FindAllString(q.Expr, -1) {
				if !strings.Contains(shown, "# TYPE "+strings.TrimSuffix(name, "_bucket")+" ") {
					t.Errorf("%s asks for %s, which is not shown", p.Title, name)
				}
			}
			if n := strings.Count(q.Expr, `{job=~"$job", instance=~"$instance"`); n == 0 || n != strings.Count(q.Expr, "{") {
				t.Errorf("%s is not by job and instance: %s", p.Title, q.Expr)
			}
		}
	}
	if len(titles) < 50 {
		t.Errorf("%d panels", len(titles))
	}
}

// TestDashboardShowsSomething runs every query of the dashboard on real Prometheus servers,
// with and without native histograms, that scrape the four kinds of bridges, with the demo's
// traffic.
func TestDashboardShowsSomething(t *testing.T) {
	var targets []string
	serve := func(env ...string) (public string) {
		t.Helper()
		public = freeAddress(t)
		targets = append(targets, freeAddress(t))
		start(t, setup{
			args: []string{"serve", "--listen", public, "--admin.listen", targets[len(targets)-1]},
			env:  append(env, "CHATENGINE_JWT_SECRET=secret"),
		})
		return public
	}
	traffic := func(db string) {
		t.Helper()
		pool, err := pgxpool.New(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		generator, err := demo.NewTraffic(t.Context(), pool, 20, 1)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		done := make(chan error, 1)
		go func() { done <- generator.Run(ctx) }()
		t.Cleanup(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			pool.Close()
		})
	}

	// In front of a ChatEngine that is away, with webhooks kept.
	alone := pgtest.DB(t, schemas.CRM)
	gateway := serve("DATABASE_URL="+alone, "CHATENGINE_URL=http://"+freeAddress(t), "BRIDGE_GATEWAY_HOLD=local", "BRIDGE_SPOOL_DIR="+t.TempDir())
	// Two as one.
	shared, redis := pgtest.DB(t, schemas.CRM), redistest.Start(t)
	cluster := []string{"DATABASE_URL=" + shared, "BRIDGE_CLUSTER_REDIS_URL=" + redis.URL(), "BRIDGE_CLUSTER_NAME=crm", "BRIDGE_SOURCE_POSTGRES_SLOT=crm"}
	leader := serve(cluster...)
	serve(append(slices.Clone(cluster), "BRIDGE_CLUSTER_ROLE=edge")...)
	// By Realtime.
	project := pgtest.DB(t, realtimedouble.Roles, schemas.CRM)
	rest := postgrestdouble.New(postgrestdouble.Options{Database: project, Secret: []byte("the project's secret")})
	t.Cleanup(rest.Close)
	supabase, err := realtimedouble.Start(realtimedouble.Options{Database: project, Secret: []byte("the project's secret"), Rest: rest})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(supabase.Close)
	byRealtime := serve("BRIDGE_SOURCE_KIND=realtime", "SUPABASE_URL="+supabase.URL(), "SUPABASE_SERVICE_ROLE_KEY="+supabase.Key(), "BRIDGE_SOURCE_REALTIME_RECONCILE_INTERVAL=1s")

	for _, public := range []string{gateway, leader, byRealtime} {
		get(t, "http://"+public+"/readyz", 200)
	}
	servers := []*prometheus{startPrometheus(t, nil, targets...), startPrometheus(t, []string{"--enable-feature=native-histograms"}, targets...)}
	for _, db := range []string{alone, shared, project} {
		traffic(db)
	}
	token, err := auth.Sign("secret", demo.Workspaces[0], "user-1", "", "", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	first := make(chan struct{}, 1)
	client := join(t, gateway, token, func(string) {
		select {
		case first <- struct{}{}:
		default:
		}
	})
	wait(t, first, "an event")
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	if _, err := client.EmitAck(ctx, "nonsense"); err != nil {
		t.Fatal(err)
	}
	if err := connect(t, gateway, "another secret"); err == nil {
		t.Fatal("a wrong token was accepted")
	}

	variables := strings.NewReplacer("$job", "chatbridge", "$instance", ".*", "$__rate_interval", "1m")
	d := readDashboard(t)
	queries := map[string]string{}
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			queries[q.Expr] = p.Title
		}
	}
	for _, v := range d.Templating.List {
		if inner, ok := strings.CutPrefix(v.Query, "label_values("); ok {
			queries[inner[:strings.LastIndex(inner, ",")]] = "variable " + v.Name
		}
	}
	for server, p := range servers {
		for expr, title := range queries {
			text := variables.Replace(expr)
			if strings.Contains(text, "$") {
				t.Errorf("%s has a variable that Grafana does not know: %s", title, expr)
			}
			for deadline := time.Now().Add(waitLimit); !anyNumber(p.query(text)); time.Sleep(100 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("server %d: %s shows nothing: %s", server, title, text)
				}
			}
		}
		for _, a := range d.Annotations.List {
			p.query(variables.Replace(a.Expr)) // that it can be asked: nothing has started again
		}
	}
}

// anyNumber reports whether some value is one.
func anyNumber(all []series) bool {
	return slices.ContainsFunc(all, func(s series) bool { return !math.IsNaN(float64(s.Value)) })
}
