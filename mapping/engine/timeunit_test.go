package engine_test

import (
	"slices"
	"strings"
	"testing"

	"chatbridge/mapping"
	"chatbridge/mapping/engine"
	"chatbridge/source"
)

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
		"conversation: {members: {updatedAt: [{time: [updated_at, message.created_at], unit: milliseconds}, {commit: time}]}}"), engine.Options{})
	events := w.tx(insert("messages", row))
	for _, e := range events {
		if !strings.Contains(string(e.Payload), `"createdAt":"2026-02-05T18:58:02.123Z"`) {
			t.Errorf("%s", e.Payload)
		}
	}
	if n := w.m.Stats().Unmappable["no_unit"]; len(w.warnings) != 0 || n != 0 {
		t.Errorf("no_unit %d, warnings %+v", n, w.warnings)
	}
	w = newWorld(t, load(t, "crm"), engine.Options{})
	w.tx(insert("messages", row))
	w.tx(insert("messages", row.with(fields{"id": "m2"})))
	if n := w.m.Stats().Unmappable["no_unit"]; n < 2 {
		t.Errorf("no_unit %d", n)
	}
	i := slices.IndexFunc(w.warnings, func(x engine.Warning) bool { return x.Reason == "no_unit" })
	if i < 0 || w.warnings[i].Key != "m1" || !strings.Contains(w.warnings[i].Detail, "message.createdAt is a number") || !strings.Contains(w.warnings[i].Detail, "unit: seconds") {
		t.Errorf("warnings %+v", w.warnings)
	}
}

// Numbers order messages as times do.
func TestNewestByNumber(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withUnit(t, "message: {members: {createdAt: [{time: created_at, unit: microseconds}, {commit: time}]}}"), engine.Options{})
	w.tx(insert("conversations", conversation), insert("messages", message.with(fields{"created_at": "1770317882123456"})))
	events := w.tx(insert("messages", message.with(fields{"id": "m0", "body": "older", "created_at": "1770317882123455"})))
	if last := string(events[len(events)-1].Payload); !strings.Contains(last, `"lastMessage":{"id":"m1"`) {
		t.Errorf("an older message is the newest: %s", last)
	}
}

// Inside JSON too, in lists and by path.
func TestTimeUnitInJSON(t *testing.T) {
	t.Parallel()
	spec := withUnit(t, `
message: {members: {createdAt: [{time: {column: quoted_message, path: messageTimestamp}, unit: seconds}, {commit: time}]}}
conversation: {members: {lastMessage: {json: last_message, times: [createdAt], unit: seconds}}}`)
	w := newWorld(t, spec, engine.Options{})
	events := w.tx(insert("messages", message.with(fields{"quoted_message": `{"messageTimestamp": 1770317882}`})),
		insert("conversations", conversation.with(fields{"last_message": `{"createdAt": 1770317882, "id": "m1"}`})))
	for _, e := range events {
		if !strings.Contains(string(e.Payload), `"createdAt":"2026-02-05T18:58:02.000Z"`) {
			t.Errorf("%s", e.Payload)
		}
	}
	spec = withUnit(t, `conversation: {members: {lastMessage: {json: last_message, times: [createdAt]}}}`)
	w = newWorld(t, spec, engine.Options{})
	w.tx(insert("conversations", conversation.with(fields{"last_message": `{"createdAt": 1770317882, "id": "m1"}`})))
	i := slices.IndexFunc(w.warnings, func(x engine.Warning) bool { return x.Reason == "no_unit" })
	if i < 0 || !strings.Contains(w.warnings[i].Detail, "conversation.lastMessage") {
		t.Errorf("warnings %+v", w.warnings)
	}
}

// Numbers stay numbers under the stream's own types.
func TestTimeUnitOfUpdates(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withUnit(t, "message: {members: {createdAt: {time: created_at, unit: seconds}}}"), engine.Options{})
	w.identity = source.IdentityDefault
	row := message.with(fields{"created_at": "1770317882"})
	w.tx(insert("messages", row))
	events := w.tx(update("messages", nil, row.with(fields{"created_at": "1770317883"})))
	if len(events) != 2 || !strings.Contains(string(events[0].Payload), `"createdAt":"2026-02-05T18:58:03.000Z"`) {
		t.Errorf("%s", payloads(events))
	}
}
