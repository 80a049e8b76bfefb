package golden_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"chatbridge/bridge/far"
	"chatbridge/bridge/hub"
	"chatbridge/internal/postgrestdouble"
	"chatbridge/internal/realtimedouble"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/mapping"
	"chatbridge/mapping/internal/pipelinetest"
	"chatbridge/mapping/lookup"

	"github.com/golang-jwt/jwt/v5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// read are the cases whose rows are compared: those with values of every shape, one
// of each kind of table.
var read = []string{
	"chatengine/attachments", "chatengine/json_columns", "chatengine/metadata", "chatengine/nulls", "chatengine/times", "chatengine/toast",
	"crm/contact_not_real", "crm/default_toast", "crm/media_all", "crm/nulls", "crm/other_workspace", "crm/own_ids", "crm/own_words",
	"crm/senders", "crm/strings", "crm/times", "crm/types",
}

// unreadable are cases whose rows cannot be read by time: of these, every reading must say
// why.
var unreadable = map[string]error{
	"crm/own_tables": lookup.ErrNoTime, "crm/time_unit": lookup.ErrNoTime,
	"crm/key_several": lookup.ErrDerived, "crm/key_several_default": lookup.ErrDerived,
	"evolution/deleted_full": lookup.ErrDerived, "evolution/messages": lookup.ErrDerived,
}

// unlike are cases of which the stream makes other events, and why: an INSERT has none of
// the rows yet that point to it.
var unlike = []string{"chatwoot/attachments"}

// overAConnection are cases that are read over a direct connection only: over PostgREST a
// look-up in a table that is not there fails, so clients are told of a gap.
var overAConnection = []string{"crm/lookup_table_gone"}

// TestReadFromTheTables: what a client is sent of the tables is what the stream makes of
// the same rows, byte for byte. The rows are those that the golden cases leave behind;
// they are deleted and inserted again for the stream. -all compares those of all cases.
func TestReadFromTheTables(t *testing.T) {
	cases := slices.Concat(read, slices.Sorted(maps.Keys(unreadable)))
	if *all {
		cases = nil
		files, err := filepath.Glob("testdata/*/*.txt")
		if err != nil || len(files) < minimum {
			t.Fatalf("found %d golden files, want at least %d (%v)", len(files), minimum, err)
		}
		for _, f := range files {
			cases = append(cases, filepath.Base(filepath.Dir(f))+"/"+strings.TrimSuffix(filepath.Base(f), ".txt"))
		}
	}
	p, err := pipelinetest.New(t)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Stop() }()
	messages, conversations := 0, 0
	for _, name := range cases {
		if slices.Contains(unlike, name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			m, c := readCase(t, p, filepath.Dir(name), name)
			messages, conversations = messages+m, conversations+c
		})
	}
	t.Logf("compared %d messages and %d conversations", messages, conversations)
	if messages < 40 || conversations < 15 {
		t.Errorf("compared %d messages and %d conversations in all", messages, conversations)
	}
}

var all = flag.Bool("all", false, "compare the rows of all golden cases with what is read of the tables")

// recently is a time that a commit's may be: of the stream it is another one.
var recently = regexp.MustCompile(`"\d{4}-\d\d-\d\dT[^"]*Z"`)

func withoutCommitTimes(payload string) string {
	return recently.ReplaceAllStringFunc(payload, func(s string) string {
		if at, err := time.Parse(`"`+time.RFC3339+`"`, s); err == nil && time.Since(at) < time.Hour && time.Since(at) > -time.Hour {
			return `"now"`
		}
		return s
	})
}

func readCase(t *testing.T, p *pipelinetest.Pipeline, preset, name string) (messages, conversations int) {
	c := load(t, filepath.Join("testdata", name+".txt"))
	spec, err := mapping.Load(preset, "")
	if own := c.section("mapping.yaml"); own != "" {
		spec, err = mapping.Parse(preset, "mapping.yaml", []byte(own))
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Reset(t.Context(), spec, true, append(c.setup(preset), blocks(c.section("test.sql"))...), c.tables(preset)); err != nil {
		t.Fatal(err)
	}
	pool, err := lookup.NewPool(p.URL, lookup.PoolOptions{MaxConns: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if why := unreadable[name]; why != nil {
		checkUnreadable(t, pool, spec, why)
		return 0, 0
	}
	table := func(i int) string {
		return pgx.Identifier{spec.Tables()[i].Schema, spec.Tables()[i].Name}.Sanitize()
	}
	again := fmt.Sprintf(`set constraints all deferred; set session_replication_role = replica;
		create temp table m on commit drop as select * from %[1]s; create temp table c on commit drop as select * from %[2]s;
		delete from %[1]s; delete from %[2]s; insert into %[2]s select * from c; insert into %[1]s select * from m order by %[3]s`,
		table(0), table(1), pgx.Identifier{spec.Tables()[0].Columns[spec.Tables()[0].Key].Name}.Sanitize())
	if err := p.Run(t.Context(), 1, again); err != nil {
		t.Fatal(err)
	}
	made := make(map[string]bool)
	for _, text := range p.Lines {
		var line pipelinetest.Line
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		made[line.Event+" "+line.Workspace+" "+withoutCommitTimes(string(line.Data))] = true
	}
	asks := asksOf(t, pool, spec)
	messages, conversations = readAll(t, far.New(pool, spec, far.DefaultOptions()), asks, preset, made)
	if slices.Contains(overAConnection, name) {
		return messages, conversations
	}
	if m, c := readAll(t, overPostgREST(t, p.URL, spec), asks, preset, made); m != messages || c != conversations {
		t.Errorf("over PostgREST %d messages and %d conversations are read, over a connection %d and %d", m, c, messages, conversations)
	}
	return messages, conversations
}

// overPostgREST is a Reader over the REST interface of a project with the database.
func overPostgREST(t *testing.T, url string, spec *mapping.Spec) *far.Reader {
	t.Helper()
	if err := pgtest.Exec(t.Context(), url, realtimedouble.Roles); err != nil {
		t.Fatal(err)
	}
	secret := []byte("secret of the test")
	double := postgrestdouble.New(postgrestdouble.Options{Database: url, Secret: secret})
	server := httptest.NewServer(http.StripPrefix("/rest/v1", double))
	t.Cleanup(func() {
		server.Close()
		double.Close()
	})
	key, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"role": "service_role"}).SignedString(secret)
	if err != nil {
		t.Fatal(err)
	}
	r, err := far.NewPostgREST(server.URL, func() string { return key }, server.Client(), spec, far.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// readAll compares what is read of each workspace with what the stream made.
func readAll(t *testing.T, r *far.Reader, asks map[string]*hub.FarAsk, preset string, made map[string]bool) (messages, conversations int) {
	t.Helper()
	for workspace, ask := range asks {
		_, err := r.Read(t.Context(), ask, func(packets []hub.FarPacket) error {
			for _, packet := range packets {
				var args []json.RawMessage
				if err := json.Unmarshal(packet.Text()[1:], &args); err != nil || len(args) != 2 {
					t.Errorf("%s: %v", packet.Text(), err)
					continue
				}
				switch string(args[0]) {
				case `"message"`:
					messages++
				case `"conversation"`:
					if conversations++; preset == "chatengine" {
						continue // the stream shows the message that was just inserted
					}
				default:
					continue // of messages whose time is out of the range
				}
				text := strings.Trim(string(args[0]), `"`) + " " + workspace + " " + withoutCommitTimes(string(args[1]))
				if !made[text] {
					t.Errorf("the stream makes no\n%s", text)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	return messages, conversations
}

// checkUnreadable: the mapping alone or a look at the tables shows it, a Reader refuses,
// logs it once, and tells it.
func checkUnreadable(t *testing.T, pool *pgxpool.Pool, spec *mapping.Spec, why error) {
	if err := lookup.CanReadPast(spec); err != nil && !errors.Is(err, why) {
		t.Errorf("the mapping says %v", err)
	}
	lines := &strings.Builder{}
	o := far.DefaultOptions()
	o.Logger = slog.New(slog.NewTextHandler(lines, nil))
	r := far.New(pool, spec, o)
	for i := range 3 {
		if i == 1 {
			_ = r.Run(t.Context())
		}
		_, err := r.Read(t.Context(), &hub.FarAsk{Workspace: "w", Conversations: time.Now()}, func([]hub.FarPacket) error { return nil })
		if !errors.Is(err, hub.ErrTablesOff) || !errors.Is(err, why) {
			t.Errorf("it is read with %v", err)
		}
	}
	if n := strings.Count(lines.String(), "\n"); n != 1 || !strings.Contains(r.Stats().Off, why.Error()) || r.Stats().Readings > 1 {
		t.Errorf("logged %d lines, %+v", n, r.Stats())
	}
}

// asksOf asks for all there is of each workspace.
func asksOf(t *testing.T, pool *pgxpool.Pool, spec *mapping.Spec) map[string]*hub.FarAsk {
	t.Helper()
	asks := make(map[string]*hub.FarAsk)
	since := time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)
	for i, table := range spec.Tables()[:2] {
		conversation := pgx.Identifier{table.Columns[table.Key].Name}.Sanitize()
		if i == 0 {
			slot, _ := spec.MessageTime()
			conversation = pgx.Identifier{table.Columns[slot].Name}.Sanitize()
		}
		rows, err := pool.Query(t.Context(), fmt.Sprintf("select distinct %s::text, %s::text from %s where %[1]s is not null and %[2]s is not null",
			pgx.Identifier{table.Columns[table.Workspace].Name}.Sanitize(), conversation, pgx.Identifier{table.Schema, table.Name}.Sanitize()))
		if err != nil {
			t.Fatal(err)
		}
		var workspace, id string
		if _, err := pgx.ForEachRow(rows, []any{&workspace, &id}, func() error {
			if asks[workspace] == nil {
				asks[workspace] = &hub.FarAsk{Workspace: workspace, Conversations: since, Of: map[string]time.Time{}, Until: time.Now().AddDate(100, 0, 0)}
			}
			asks[workspace].Of[id] = since
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return asks
}
