package mapping_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"chatbridge/mapping"
	"chatbridge/source"
)

// A number is a time of the unit that the mapping says, and none without.
func TestTimesThatAreNumbers(t *testing.T) {
	t.Parallel()
	const at = "2026-02-05T18:58:02.123Z"
	cases := []struct{ in, unit, want string }{
		{"1770317882", "seconds", "2026-02-05T18:58:02.000Z"},
		{"1770317882.123456", "seconds", at},
		{"1770317882.1", "seconds", "2026-02-05T18:58:02.100Z"},
		{"1.770317882123456e+09", "seconds", at},
		{"1770317882123", "milliseconds", at},
		{"1770317882123.999", "milliseconds", at},
		{"1770317882123456", "microseconds", at},
		{"1770317882123999", "microseconds", at},
		{"1.770317882123456e+15", "microseconds", at},
		{"1770317882123456.7890123456789", "microseconds", at},
		{"177031788212345678901234567890e-14", "microseconds", at},
		{"0", "seconds", "1970-01-01T00:00:00.000Z"},
		{"0.0", "microseconds", "1970-01-01T00:00:00.000Z"},
		{"-1", "seconds", "1969-12-31T23:59:59.000Z"},
		{"-1", "microseconds", "1969-12-31T23:59:59.999Z"},
		{"-1001", "microseconds", "1969-12-31T23:59:59.998Z"},
		{"-0.00000000000000000000001", "seconds", "1969-12-31T23:59:59.999Z"},
		{"8640000000000", "seconds", "+275760-09-13T00:00:00.000Z"},
		{"8640000000001", "seconds", ""},
		{"9223372036854775807", "seconds", ""},
		{"9223372036854775807", "microseconds", ""},
		{"1e999", "seconds", ""},
		{"1e-999", "seconds", "1970-01-01T00:00:00.000Z"},
		{"NaN", "seconds", ""},
		{"Infinity", "seconds", ""},
		{"", "seconds", ""},
		{"-", "seconds", ""},
		{".", "seconds", ""},
		{"1.2.3", "seconds", ""},
		{"1e", "seconds", ""},
		{"1e+", "seconds", ""},
		{"12x", "seconds", ""},
		// What is a time by itself stays one.
		{"2026-02-05 18:58:02.123456+00", "seconds", at},
		{"2026-02-05", "milliseconds", "2026-02-05T00:00:00.000Z"},
		// Without a unit.
		{"1770317882", "", "?"},
		{"1770317882123", "", "?"},
		{"-1.5", "", "?"},
		{"now", "", ""},
		{"infinity", "", ""},
	}
	for _, c := range cases {
		out, ok, counted := mapping.AppendTimeOf([]byte("x"), []byte(c.in), c.unit)
		got := ""
		switch {
		case ok:
			got = string(out[1:])
		case counted:
			got = "?"
		}
		if got != c.want {
			t.Errorf("%s of %q: %q, want %q", c.unit, c.in, got, c.want)
		}
	}
}

// Seconds and what Postgres prints for the same moment agree.
func TestTimesThatAreNumbersAgree(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for range 5000 {
		micros := r.Int64N(8e15) - 4e15
		sec, rest := micros/1_000_000, micros%1_000_000
		if rest < 0 {
			sec, rest = sec-1, rest+1_000_000
		}
		want, ok, _ := mapping.AppendTimeOf(nil, strconv.AppendInt(nil, sec*1000+rest/1000, 10), "milliseconds")
		got, ok2, _ := mapping.AppendTimeOf(nil, strconv.AppendInt(nil, micros, 10), "microseconds")
		if !ok || !ok2 || string(got) != string(want) {
			t.Fatalf("%d: %s, want %s", micros, got, want)
		}
	}
}

func withUnit(t *testing.T, yaml string) *mapping.Spec {
	t.Helper()
	spec, err := mapping.Parse("crm", "m.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// A row's number is its time; a number without a unit is counted and told of,
// and what comes next in the list is taken.
func TestTimeUnit(t *testing.T) {
	t.Parallel()
	row := message.with(fields{"created_at": "1770317882123"})
	w := newWorld(t, withUnit(t, "message: {members: {createdAt: [{time: created_at, unit: milliseconds}, {commit: time}]}}\n"+
		"conversation: {members: {updatedAt: [{time: [updated_at, message.created_at], unit: milliseconds}, {commit: time}]}}"), mapping.Options{})
	events := w.tx(insert("messages", row))
	for _, e := range events {
		if !strings.Contains(string(e.Payload), `"createdAt":"2026-02-05T18:58:02.123Z"`) {
			t.Errorf("%s", e.Payload)
		}
	}
	if n := w.m.Stats().Unmappable["no_unit"]; len(w.warnings) != 0 || n != 0 {
		t.Errorf("no_unit %d, warnings %+v", n, w.warnings)
	}
	w = newWorld(t, load(t, "crm"), mapping.Options{})
	w.tx(insert("messages", row))
	w.tx(insert("messages", row.with(fields{"id": "m2"})))
	if n := w.m.Stats().Unmappable["no_unit"]; n < 2 {
		t.Errorf("no_unit %d", n)
	}
	i := slices.IndexFunc(w.warnings, func(x mapping.Warning) bool { return x.Reason == "no_unit" })
	if i < 0 || w.warnings[i].Key != "m1" || !strings.Contains(w.warnings[i].Detail, "message.createdAt is a number") || !strings.Contains(w.warnings[i].Detail, "unit: seconds") {
		t.Errorf("warnings %+v", w.warnings)
	}
}

// Numbers order messages as times do.
func TestNewestByNumber(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withUnit(t, "message: {members: {createdAt: [{time: created_at, unit: microseconds}, {commit: time}]}}"), mapping.Options{})
	w.tx(insert("conversations", conversation), insert("messages", message.with(fields{"created_at": "1770317882123456"})))
	events := w.tx(insert("messages", message.with(fields{"id": "m0", "body": "older", "created_at": "1770317882123455"})))
	if last := string(events[len(events)-1].Payload); !strings.Contains(last, `"lastMessage":{"id":"m1"`) {
		t.Errorf("an older message is the newest: %s", last)
	}
	numbers := []string{
		"-1e30", "-9223372036854775808", "-1000000000001", "-1000000000000", "-999999999999.5", "-1.000001", "-1", "-0.5", "0", "0.000001", "1", "1.000001",
		"1e2", "999999999999.999999", "1000000000000", "1000000000001", "1770317882123455", "1770317882123456", "8000000000000000000", "1e30",
	}
	for i, a := range numbers {
		for j, b := range numbers {
			x, y := mapping.TimeOrder([]byte(a)), mapping.TimeOrder([]byte(b))
			if i < j && x >= y && (i != 0 || j != 1) {
				t.Errorf("%s is not before %s: %d, %d", a, b, x, y)
			}
		}
	}
}

// Inside JSON too, in lists and by path.
func TestTimeUnitInJSON(t *testing.T) {
	t.Parallel()
	spec := withUnit(t, `
message: {members: {createdAt: [{time: {column: quoted_message, path: messageTimestamp}, unit: seconds}, {commit: time}]}}
conversation: {members: {lastMessage: {json: last_message, times: [createdAt], unit: seconds}}}`)
	w := newWorld(t, spec, mapping.Options{})
	events := w.tx(insert("messages", message.with(fields{"quoted_message": `{"messageTimestamp": 1770317882}`})),
		insert("conversations", conversation.with(fields{"last_message": `{"createdAt": 1770317882, "id": "m1"}`})))
	for _, e := range events {
		if !strings.Contains(string(e.Payload), `"createdAt":"2026-02-05T18:58:02.000Z"`) {
			t.Errorf("%s", e.Payload)
		}
	}
	spec = withUnit(t, `conversation: {members: {lastMessage: {json: last_message, times: [createdAt]}}}`)
	w = newWorld(t, spec, mapping.Options{})
	w.tx(insert("conversations", conversation.with(fields{"last_message": `{"createdAt": 1770317882, "id": "m1"}`})))
	i := slices.IndexFunc(w.warnings, func(x mapping.Warning) bool { return x.Reason == "no_unit" })
	if i < 0 || !strings.Contains(w.warnings[i].Detail, "conversation.lastMessage") {
		t.Errorf("warnings %+v", w.warnings)
	}
}

// The start and check refuse a time from a column of numbers without a unit,
// and say what to write.
func TestCheckTypes(t *testing.T) {
	t.Parallel()
	const own = "message:\n  members:\n    createdAt: [{time: created_at}, {commit: time}]\n"
	types := func(of map[string]string) func(string, string, string) string {
		return func(schema, table, column string) string { return of[schema+"."+table+"."+column] }
	}
	cases := []struct{ name, yaml, column, kind, want string }{
		{"a time", "", "public.messages.created_at", "timestamp with time zone", ""},
		{"text", "", "public.messages.created_at", "text", ""},
		{"not known", "", "public.messages.created_at", "", ""},
		{"the preset's column", "", "public.messages.created_at", "bigint", "preset crm:"},
		{"the remedy", "", "public.messages.created_at", "bigint", "public.messages.created_at is a number (bigint): say what it counts since 1970, such as {time: created_at, unit: seconds}; there are seconds, milliseconds, microseconds"},
		{"the operator's", own, "public.messages.created_at", "int8", "m.yaml:3: "},
		{"numeric", own, "public.messages.created_at", "numeric(20,0)", "m.yaml:3: "},
		{"a float", own, "public.messages.created_at", "double precision", "m.yaml:3: "},
		{"of a conversation", "", "public.conversations.updated_at", "integer", "public.conversations.updated_at is a number"},
		{"with a unit", "message: {members: {createdAt: {time: created_at, unit: seconds}}}\nconversation: {members: {updatedAt: [{time: [updated_at, message.created_at], unit: seconds}]}}", "public.messages.created_at", "bigint", ""},
		{"in a list", "message: {members: {createdAt: {time: [{first: [sent_at, created_at]}]}}}", "public.messages.sent_at", "bigint", "m.yaml:1: public.messages.sent_at"},
		{"not a time", "", "public.messages.size_bytes", "bigint", ""},
	}
	for _, c := range cases {
		err := withUnit(t, c.yaml).CheckTypes(types(map[string]string{c.column: c.kind}))
		var wrong *mapping.Error
		switch {
		case c.want == "" && err != nil, c.want != "" && (!errors.As(err, &wrong) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v\nwant %s", c.name, err, c.want)
		case c.want != "" && len(wrong.Problems) != 1:
			t.Errorf("%s: said more than once: %v", c.name, err)
		}
	}
}

// Numbers stay numbers under the stream's own types.
func TestTimeUnitOfUpdates(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withUnit(t, "message: {members: {createdAt: {time: created_at, unit: seconds}}}"), mapping.Options{})
	w.identity = source.IdentityDefault
	row := message.with(fields{"created_at": "1770317882"})
	w.tx(insert("messages", row))
	events := w.tx(update("messages", nil, row.with(fields{"created_at": "1770317883"})))
	if len(events) != 1 || !strings.Contains(string(events[0].Payload), `"createdAt":"2026-02-05T18:58:03.000Z"`) {
		t.Errorf("%s", payloads(events))
	}
}
