package realtime

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"chatbridge/source"
	"chatbridge/source/readback"
)

// recorded is the frames that the real server sent in the recordings.
func recorded(t testing.TB, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob("../../internal/realtimedouble/testdata/recordings/" + pattern + ".jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recording %s: %v", pattern, err)
	}
	var out []string
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sc := bufio.NewScanner(bytes.NewReader(b))
		sc.Buffer(nil, 4<<20)
		for sc.Scan() {
			var l struct{ Dir, Op, Raw string }
			if err := json.Unmarshal(sc.Bytes(), &l); err != nil {
				t.Fatal(err)
			}
			if l.Dir == "recv" && l.Op == "text" && !strings.Contains(l.Raw, "…<cut") {
				out = append(out, l.Raw)
			}
		}
	}
	return out
}

func labTables() *tables {
	ts := &tables{byName: map[string]*table{}}
	for _, name := range []string{"messages", "conversations"} {
		tb := newTable(readback.Table{Schema: "public", Name: name, Key: []string{"id"}}, 100)
		ts.list = append(ts.list, tb)
		ts.byName[tb.Name] = tb
	}
	return ts
}

// changes decodes the recorded changes.
func changes(t testing.TB, pattern string) []*change {
	t.Helper()
	ts := labTables()
	var out []*change
	for _, raw := range recorded(t, pattern) {
		f, err := decodeFrame([]byte(raw))
		if err != nil {
			t.Fatalf("%v: %.200s", err, raw)
		}
		if f.Event != eventChanges {
			continue
		}
		c, err := decodeChange(f.Payload, ts)
		if err != nil {
			t.Fatalf("%v: %.300s", err, raw)
		}
		out = append(out, c)
	}
	return out
}

func text(rel *source.Relation, row source.Row) map[string]string {
	out := map[string]string{}
	for i, v := range row {
		switch v.Kind {
		case source.Text:
			out[rel.Columns[i].Name] = string(v.Data)
		case source.Unchanged:
			out[rel.Columns[i].Name] = "<unchanged>"
		case source.Absent:
			out[rel.Columns[i].Name] = "<absent>"
		}
	}
	return out
}

// TestRecordedValues compares the decoded rows with what Postgres itself
// prints for the values that the recording inserted.
func TestRecordedValues(t *testing.T) {
	t.Parallel()
	all := changes(t, "b-vsn2")
	if len(all) != 21 {
		t.Fatalf("%d changes in the recording", len(all))
	}
	first, second := all[0], all[1]
	if got, want := text(first.rel, first.row), (map[string]string{
		"id": "11111111-1111-4111-8111-111111111111", "account_id": "9007199254740993", "status": "open",
		"subject": `héllo "q" \ back / 😀`, "tags": `{a,"b c",NULL,"d\"e"}`,
		"meta":       `{"a": [1, 2.50, null, true, "x"], "b": 1, "n": {"k": "v"}, "big": 12345678901234567890}`,
		"created_at": "2024-02-29T20:59:59.123456+00:00", "updated_at": "2024-02-29T01:02:03.5",
	}); !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	if got, want := text(second.rel, second.row), (map[string]string{
		"id": "1", "conversation_id": "11111111-1111-4111-8111-111111111111", "status": "sent",
		"body": "line1\nline2\ttab", "payload": `{"a": {"deep": [{}]}, "z": 1}`,
		"big": "9223372036854775807", "amount": "12345678901234567890.1234567890", "price": "1.10",
		"ratio": "0.30000000000000004", "flag": "true", "tags": `{x,"y z",NULL,"quote\"s","back\\slash","com,ma"}`,
		"nums": "{1,2,NULL}", "blob": `\xdeadbeef`, "d": "2024-02-29", "small": "7",
		"ts": "2024-01-01T00:00:00+00:00", "ts_plain": "2024-01-01T12:00:00", "note": "varchar", "kind": "a",
	}); !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	if second.rel.Columns[0].Type != "int8" || second.rel.Columns[10].Type != "_text" || len(second.rel.Columns) != 19 {
		t.Errorf("columns: %+v", second.rel.Columns)
	}
}

// TestRecordedShapes checks the old rows, the unchanged values and that a
// relation's pointer changes only when the relation does.
func TestRecordedShapes(t *testing.T) {
	t.Parallel()
	var got []string
	var rel *source.Relation
	for _, c := range changes(t, "b-vsn2") {
		if c.table.Config().Name != "messages" {
			continue
		}
		s := c.op.String()
		if c.rel != rel {
			s += " new"
		}
		rel = c.rel
		if c.old != nil {
			known := slices.DeleteFunc(slices.Clone(c.old), func(v source.Value) bool { return v.Kind == source.Absent })
			s += map[bool]string{true: " old", false: " oldkey"}[len(known) > 1]
		}
		if hasUnchanged(c.row) {
			s += " unchanged"
		}
		got = append(got, s)
	}
	want := []string{
		"insert new", "insert", "insert", "update", "update",
		"update oldkey", // of the primary key
		"insert", "update unchanged",
		"update old", "update old", "delete old", // identity full
		"delete oldkey",
		"insert", "insert", "update", "insert", "delete oldkey",
	}
	if !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
}

func TestRecordedErrors(t *testing.T) {
	t.Parallel()
	cut := 0
	for _, c := range changes(t, "g-over-1mb-v2") {
		if c.truncated {
			cut++
			if c.op != source.Delete && c.row[0].Kind != source.Text {
				t.Error("a row that was cut lost its key")
			}
		}
	}
	if cut != 5 {
		t.Errorf("%d rows were cut, want 5", cut)
	}
	ts := labTables()
	for _, s := range []string{
		`{"data":{"table":"messages","type":"INSERT","record":{},"columns":[],"errors":["Error 401: Unauthorized"],"schema":"public","commit_timestamp":null},"ids":[25538076]}`,
		`{"data":{"table":"messages","type":"INSERT","record":{},"columns":[],"errors":"Error 400: Bad Request, no primary key","schema":"public","commit_timestamp":null},"ids":[1]}`,
	} {
		var re *rowError
		if _, err := decodeChange(json.RawMessage(s), ts); !errors.As(err, &re) {
			t.Errorf("%v for %s", err, s)
		}
	}
	if _, err := decodeChange(json.RawMessage(`{"data":{"table":"other","schema":"public","type":"INSERT"}}`), ts); !errors.Is(err, errUnknownTable) {
		t.Errorf("unknown table: %v", err)
	}
}

// TestRecordedRefusals checks that every refusal in the recordings is told
// apart and has a remedy where someone must act.
func TestRecordedRefusals(t *testing.T) {
	t.Parallel()
	got := map[string]remedy{}
	for _, raw := range recorded(t, "[de]-*-v2") {
		f, err := decodeFrame([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		switch f.Event {
		case eventReply:
			var r reply
			if err := json.Unmarshal(f.Payload, &r); err != nil {
				t.Fatal(err)
			}
			if r.Status == "error" {
				x := joinRefusal(string(r.Response.Reason))
				got[x.Text] = x.kind
				if x.NeedsOperator() && x.Hint == "" {
					t.Errorf("no remedy: %v", x)
				}
			}
		case eventSystem:
			var m system
			if err := json.Unmarshal(f.Payload, &m); err != nil {
				t.Fatal(err)
			}
			if m.Status == "error" && m.Extension == eventChanges {
				x := subscribeRefusal(string(m.Message), "public.messages")
				got[x.Text] = x.kind
				if x.kind != fixByOperator || x.Hint == "" {
					t.Errorf("will not pass by itself: %v", x)
				}
			} else if m.Status == "error" && !isTokenText(string(m.Message)) {
				t.Errorf("not taken for a bad token: %s", m.Message)
			}
		}
	}
	for text, want := range map[string]remedy{
		"MalformedJWT: The token provided is not a valid JWT":          fixByOperator,
		"JwtSignatureError: Failed to validate JWT signature":          fixByOperator,
		"InvalidJWTToken: Token has expired 3615 seconds ago":          newToken,
		"InvalidJWTToken: Fields `role` and `exp` are required in JWT": newToken,
		"Error parsing `filter` params: [\"foo\", \"1\"]":              fixByOperator,
		"Unable to subscribe to changes with given parameters. Please check Realtime is enabled for the given connect parameters: [event: *, schema: public, table: nosuch, filters: [], select: nil]": fixByOperator,
	} {
		if kind, ok := got[text]; !ok || kind != want {
			t.Errorf("%s: got %d (%t), want %d", text, kind, ok, want)
		}
	}
}

func TestRefusalsThatWereNotRecorded(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]remedy{
		"ClientJoinRateLimitReached: Too many joins per second":      redial,
		"TenantNotFound: Tenant with the given ID does not exist":    redial,
		"ConnectionRateLimitReached: Too many connected users":       waitAndRetry,
		"RealtimeRestarting: Realtime is restarting, please standby": waitAndRetry,
		"Realtime was unable to connect to the project database":     waitAndRetry,
		"join crashed": waitAndRetry,
		"PrivateOnly: This project only allows private channels":                       fixByOperator,
		"Unauthorized: You do not have permissions to read from this Channel topic: x": fixByOperator,
		"InvalidJWTExpiration: Token has expired 12 seconds ago":                       newToken,
		"RealtimeDisabledForTenant: Realtime disabled for this tenant":                 fixByOperator,
		"something new": waitAndRetry,
	} {
		if got := joinRefusal(reason); got.kind != want {
			t.Errorf("%s: %d, want %d", reason, got.kind, want)
		}
	}
	for text, want := range map[string]remedy{
		`{:error, "Too many database timeouts"}`:                       waitAndRetry,
		"Column selection is not supported for wildcard subscriptions": fixByOperator,
	} {
		if got := subscribeRefusal(text, "t"); got.kind != want {
			t.Errorf("%s: %d, want %d", text, got.kind, want)
		}
	}
	for status, want := range map[int]remedy{200: fixByOperator, 301: fixByOperator, 401: fixByOperator, 403: fixByOperator, 404: fixByOperator, 429: waitAndRetry, 500: waitAndRetry, 503: waitAndRetry} {
		if got := handshakeRefusal(&http.Response{StatusCode: status, Body: http.NoBody}); got.kind != want {
			t.Errorf("%d: %d, want %d", status, got.kind, want)
		}
	}
}

func TestSocketURL(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][2]string{
		"https://ref.supabase.co":                     {"wss://ref.supabase.co/realtime/v1/websocket", "https://ref.supabase.co/rest/v1"},
		"https://ref.supabase.co/":                    {"wss://ref.supabase.co/realtime/v1/websocket", "https://ref.supabase.co/rest/v1"},
		"http://localhost:8000":                       {"ws://localhost:8000/realtime/v1/websocket", "http://localhost:8000/rest/v1"},
		"wss://h/realtime/v1":                         {"wss://h/realtime/v1/websocket", "https://h/rest/v1"},
		"wss://h/realtime/v1/websocket?apikey=secret": {"wss://h/realtime/v1/websocket", "https://h/rest/v1"},
		"http://realtime-dev.localhost:4000/socket":   {"ws://realtime-dev.localhost:4000/socket/websocket", ""},
		"https://h/behind/a/prefix":                   {"wss://h/behind/a/prefix/realtime/v1/websocket", "https://h/behind/a/prefix/rest/v1"},
	} {
		u, err := socketURL(in)
		if err != nil || u.String() != want[0] || restURL(in) != want[1] {
			t.Errorf("%s: %v %v, %s", in, u, err, restURL(in))
		}
	}
	for _, in := range []string{"", "ref.supabase.co", "ftp://x", "http://", "https://se cret@h:x"} {
		if u, err := socketURL(in); err == nil || strings.Contains(err.Error(), "cret") {
			t.Errorf("%q: %v, %v", in, u, err)
		}
	}
}

func TestFrames(t *testing.T) {
	t.Parallel()
	f := frame{JoinRef: "3", Ref: "4", Topic: "realtime:x", Event: "phx_join", Payload: json.RawMessage(`{"a":1}`)}
	b, err := encodeFrame(nil, f)
	if err != nil || string(b) != `["3","4","realtime:x","phx_join",{"a":1}]` {
		t.Fatalf("%s %v", b, err)
	}
	back, err := decodeFrame(b)
	if err != nil || !cmp.Equal(back, f) {
		t.Error(cmp.Diff(f, back), err)
	}
	b, _ = encodeFrame(nil, frame{Ref: "1", Topic: "phoenix", Event: "heartbeat", Payload: json.RawMessage(`{}`)})
	if string(b) != `[null,"1","phoenix","heartbeat",{}]` {
		t.Errorf("heartbeat: %s", b)
	}
	for _, s := range []string{"", "{}", "[]", "[1,2,3,4]", `[null,null,1,"e",{}]`, "hello"} {
		if _, err := decodeFrame([]byte(s)); err == nil {
			t.Errorf("%q was read", s)
		}
	}
}

func TestMessagesThatAreNoText(t *testing.T) {
	t.Parallel()
	var m system
	if err := json.Unmarshal([]byte(`{"message":{"error":["x"]},"status":"error","extension":"postgres_changes"}`), &m); err != nil || m.Message != `{"error":["x"]}` || m.Status != "error" {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestJoinLeavesOutWhatHasNoValue(t *testing.T) {
	t.Parallel()
	p := joinPayload{}
	p.Config.Changes = []joinChanges{{Event: "*", Schema: "public", Table: "messages"}}
	b, err := json.Marshal(p)
	want := `{"config":{"broadcast":{"ack":false,"self":false},"presence":{"enabled":false,"key":""},"postgres_changes":[{"event":"*","schema":"public","table":"messages"}],"private":false}}`
	if err != nil || string(b) != want {
		t.Errorf("%s, %v", b, err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, raw := range recorded(f, "*") {
		if len(raw) < 4000 {
			f.Add([]byte(raw))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fr, err := decodeFrame(data)
		if err != nil {
			return
		}
		ts := labTables()
		c, err := decodeChange(fr.Payload, ts)
		if err != nil {
			return
		}
		if c.row != nil && len(c.row) != len(c.rel.Columns) || c.old != nil && len(c.old) != len(c.rel.Columns) {
			t.Fatal("a row is not as long as its relation")
		}
		row := c.row
		if row == nil {
			row = c.old
		}
		if s, ok := c.table.SketchRow(c.rel, row); ok {
			c.table.Ledger.Record(s, 1, 0)
		}
	})
}

func BenchmarkDecodeChange(b *testing.B) {
	var frames []string
	for _, raw := range recorded(b, "b-vsn2") {
		if strings.Contains(raw, `"postgres_changes",{"data"`) && len(raw) < 4000 {
			frames = append(frames, raw)
		}
	}
	ts := labTables()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		f, err := decodeFrame([]byte(frames[i%len(frames)]))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := decodeChange(f.Payload, ts); err != nil {
			b.Fatal(err)
		}
	}
}

// TestAMalformedFrameIsNoMissingRight: only what the server says of a row is told as that.
func TestAMalformedFrameIsNoMissingRight(t *testing.T) {
	tb := newTable(Table{Schema: "public", Name: "messages", Key: []string{"id"}}, 10)
	tables := &tables{list: []*table{tb}, byName: map[string]*table{tb.Name: tb}}
	_, err := decodeChange([]byte(`{"data": {"type": "INSERT", "schema": "public", "table": "messages", "record": {}}}`), tables)
	var re *rowError
	if err == nil || errors.As(err, &re) {
		t.Errorf("a frame without a time: %v", err)
	}
	_, err = decodeChange([]byte(`{"data": {"type": "INSERT", "schema": "public", "table": "messages", "record": {}, "errors": ["Error 401: Unauthorized"]}}`), tables)
	if !errors.As(err, &re) {
		t.Errorf("a row that was refused: %v", err)
	}
}
