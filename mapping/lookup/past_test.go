package lookup_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/mapping/lookup"
	"chatbridge/source"
)

func day(d int) time.Time { return time.Date(2026, 1, d, 0, 0, 0, 0, time.UTC) }

func keysOf(keys []lookup.PastKey) string {
	var out []string
	for _, k := range keys {
		out = append(out, strings.TrimLeft(k.Key[max(len(k.Key)-3, 0):], "0"))
	}
	return strings.Join(out, " ")
}

// later are messages of two conversations of f1, and those of f2 that name them.
const later = foreign + `
insert into messages (id, conversation_id, workspace_id, body, created_at) values
  (u('b5'), u('c1'), u('f1'), 'x', '2026-01-03'), (u('b6'), u('c2'), u('f1'), repeat('y', 100000), '2026-01-04'), (u('b7'), u('c1'), u('f1'), 'x', '2026-01-05');
update conversations set updated_at = '2026-01-10' where id = u('c3');
update conversations set updated_at = '2026-01-11' where id = u('c9');
update conversations set updated_at = '2025-01-10' where id in (u('c1'), u('c2'));
`

// Keys come newest first, bounded, of the one workspace only; also where another
// workspace's rows name the same conversation.
func TestPast(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, schemas.CRM, rows, "alter table conversations disable trigger all", later)
	for _, encoding := range []string{"", "&options=-c%20datestyle%3Dgerman%20-c%20timezone%3DAsia/Tokyo"} {
		p := lookup.NewPast(pool(t, url+encoding, nil), spec(t, "crm", ""))
		ctx, f1, f2 := t.Context(), id("f1"), id("f2")
		keys := func(want string, wantMore bool) func([]lookup.PastKey, bool, error) {
			return func(got []lookup.PastKey, more bool, err error) {
				t.Helper()
				if err != nil || keysOf(got) != want || more != wantMore {
					t.Errorf("%s, more %v, %v; want %s, more %v", keysOf(got), more, err, want, wantMore)
				}
			}
		}
		both := []lookup.Since{{id("c1"), day(1)}, {id("c2"), day(1)}}
		keys("b7 b6 b5 b2", false)(p.Messages(ctx, f1, both, day(20), 10))
		keys("b6 b5 b2", false)(p.Messages(ctx, f1, both, day(4), 10))
		keys("b7 b6", true)(p.Messages(ctx, f1, both, day(20), 2))
		keys("b6", false)(p.Messages(ctx, f1, []lookup.Since{{id("c1"), day(5)}, {id("c2"), day(1)}, {"no uuid", day(1)}}, day(20), 10))
		keys("b9", false)(p.Messages(ctx, f2, both, day(90), 10))
		keys("", false)(p.Messages(ctx, "no uuid", both, day(90), 10))
		keys("b7 b6 b5 b2", false)(p.AllMessages(ctx, f1, day(1), day(20), 10))
		keys("b7 b6", true)(p.AllMessages(ctx, f1, day(1), day(20), 2))
		keys("", false)(p.AllMessages(ctx, f2, day(1), day(90), 10)) // c1 is no conversation of f2
		newest, err := p.Newest(ctx, f1, []string{id("c1"), id("c2"), "'"}, 2, 10)
		keys("b7 b6 b5 b4", false)(newest, false, err)
		keys("c3 c1 c2", false)(p.Conversations(ctx, f1, day(2), 10))
		keys("c3", true)(p.Conversations(ctx, f1, day(2), 1))
		keys("c3", false)(p.Conversations(ctx, f1, day(6), 10))
		keys("c9", false)(p.Conversations(ctx, f2, day(6), 10))
		if newest[0].At != day(5) || newest[1].Bytes < 100_000 || newest[0].Bytes > 10_000 {
			t.Errorf("times and sizes: %+v", newest)
		}
		var bodies []string
		err = p.MessageRows(ctx, f1, []string{id("b5"), id("b9"), id("b1"), id("ff")}, func(row source.Row) {
			messages, _ := p.Relations()
			for i, c := range messages.Columns {
				if c.Name == "body" {
					bodies = append(bodies, string(row[i].Data))
				}
			}
		})
		slices.Sort(bodies)
		if err != nil || strings.Join(bodies, " ") != "older x" {
			t.Errorf("rows: %q, %v", bodies, err)
		}
		n := 0
		if err := p.ConversationRows(ctx, f2, []string{id("c1"), id("c9")}, func(source.Row) { n++ }); err != nil || n != 1 {
			t.Errorf("%d conversations of f2, %v", n, err)
		}
	}
}

// The keys of ChatEngine's tables are texts, and may be anything.
func TestPastOfTexts(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, schemas.ChatEngine, `
		insert into conversations (id, workspace_id, updated_at) values ('a"b\{}', 'w', '2026-01-01'), ('c', 'w', null);
		insert into messages (id, workspace_id, conversation_id, created_at) values ('1', 'w', 'a"b\{}', '2026-01-02'), ('2', 'w', 'c', '2026-01-03'), ('3', 'w', 'c', null), ('4', 'w', 'c', 'infinity')`)
	p := lookup.NewPast(pool(t, url, nil), spec(t, "chatengine", ""))
	keys, _, err := p.Messages(t.Context(), "w", []lookup.Since{{`a"b\{}`, day(1)}, {"c", day(1)}, {"\x00", day(1)}, {"\xff", day(1)}}, day(9), 9)
	if err != nil || keysOf(keys) != "2 1" {
		t.Errorf("%+v, %v", keys, err)
	}
	if keys, err := p.Newest(t.Context(), "w", []string{"c"}, 9, 9); err != nil || keysOf(keys) != "4 2" {
		t.Errorf("newest: %+v, %v", keys, err)
	}
	if keys, _, err := p.Conversations(t.Context(), "w", day(2), 9); err != nil || keysOf(keys) != "c" {
		t.Errorf("conversations: %+v, %v", keys, err)
	}
}

// What is no timestamp, is not there, or may not be read is said.
func TestPastWithoutTimes(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, schemas.CRM, "alter table messages alter created_at type text")
	_, _, err := lookup.NewPast(pool(t, url, nil), spec(t, "crm", "")).AllMessages(t.Context(), id("f1"), day(1), day(2), 9)
	if !errors.Is(err, lookup.ErrNoTime) {
		t.Errorf("created_at is a text: %v", err)
	}
	url = pgtest.DB(t, schemas.CRM, "alter table messages alter created_at type timestamp using created_at at time zone 'UTC'", rows)
	keys, _, err := lookup.NewPast(pool(t, url, nil), spec(t, "crm", "")).AllMessages(t.Context(), id("f1"), day(1), day(9), 9)
	if err != nil || keysOf(keys) != "b2" || keys[0].At != day(2) {
		t.Errorf("created_at has no zone: %+v, %v", keys, err)
	}
}

// TestPastAfterATableWasAway: a table that was away for a moment, as in a migration, is
// read again when it is back.
func TestPastAfterATableWasAway(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, schemas.CRM, rows)
	p := lookup.NewPast(pool(t, url, nil), spec(t, "crm", ""))
	for _, tt := range []struct {
		sql, want string
		fails     bool
	}{{"select", "b2 b4", false}, {"alter table messages rename to elsewhere", "", true}, {"select", "", true}, {"alter table elsewhere rename to messages", "b2 b4", false}} {
		if err := pgtest.Exec(t.Context(), url, tt.sql); err != nil {
			t.Fatal(err)
		}
		keys, err := p.Newest(t.Context(), id("f1"), []string{id("c1"), id("c2")}, 1, 9)
		if keysOf(keys) != tt.want || (err != nil) != tt.fails {
			t.Errorf("after %s: %s, %v", tt.sql, keysOf(keys), err)
		}
	}
}
