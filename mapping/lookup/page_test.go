package lookup_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/mapping/lookup"
)

// together are messages of one conversation of f1: three in one millisecond, one in the
// next, and those of another workspace and of another conversation.
const together = foreign + `
insert into messages (id, conversation_id, workspace_id, body, created_at) values
  (u('e1'), u('c3'), u('f1'), 'x', '2026-01-05 00:00:00.1230'), (u('e2'), u('c3'), u('f1'), 'x', '2026-01-05 00:00:00.123456'),
  (u('e3'), u('c3'), u('f1'), 'x', '2026-01-05 00:00:00.123999'), (u('e4'), u('c3'), u('f1'), 'x', '2026-01-05 00:00:00.124'),
  (u('e5'), u('c3'), u('f1'), 'x', '2026-01-06'), (u('e6'), u('c3'), u('f2'), 'x', '2026-01-05'), (u('e7'), u('c2'), u('f1'), 'x', '2026-01-05');
`

// Pages come oldest first, never end within a millisecond, and are of one conversation
// and one workspace.
func TestPage(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, schemas.CRM, rows, "alter table conversations disable trigger all", together)
	for _, setting := range []string{"", "alter table messages alter created_at type timestamp using created_at at time zone 'UTC'"} {
		if err := pgtest.Exec(t.Context(), url, setting); err != nil {
			t.Fatal(err)
		}
		p := lookup.NewPast(pool(t, url+"&options=-c%20datestyle%3Dgerman%20-c%20timezone%3DAsia/Tokyo", nil), spec(t, "crm", ""))
		f1, c3, none := id("f1"), id("c3"), time.Time{}
		ms := func(us int) time.Time { return day(5).Add(time.Duration(us) * time.Microsecond) }
		for _, tt := range []struct {
			workspace, conversation string
			since                   time.Time
			limit, most             int
			want                    string
			more                    bool
		}{
			{f1, c3, none, 10, 10, "e1 e2 e3 e4 e5", false},
			{f1, c3, none, 1, 10, "e1 e2 e3", false},
			{f1, c3, none, 4, 10, "e1 e2 e3 e4", false},
			{f1, c3, none, 1, 2, "e1 e2", true},
			{f1, c3, day(4), 2, 10, "e1 e2 e3", false},
			// As ChatEngine reads since: what is exactly as old is known, what is later in
			// the same millisecond comes, and does not take the place of what is new.
			{f1, c3, ms(123_000), 1, 10, "e2 e3 e4", false},
			{f1, c3, ms(123_000), 2, 10, "e2 e3 e4 e5", false},
			{f1, c3, ms(123_456), 1, 10, "e3", false},
			{f1, c3, ms(124_000), 9, 10, "e5", false},
			{f1, c3, day(6), 9, 10, "", false},
			{id("f2"), c3, none, 9, 10, "e6", false},
			{id("f2"), id("c2"), none, 9, 10, "", false},
			{f1, "no uuid", none, 9, 10, "", false},
			{f1, "' or true --", none, 9, 10, "", false},
			{"' or true --", c3, none, 9, 10, "", false},
			{f1, id("c9"), none, 9, 10, "", false},
		} {
			keys, more, err := p.Page(t.Context(), tt.workspace, tt.conversation, tt.since, tt.limit, tt.most)
			if got := keysOf(keys); err != nil || got != tt.want || more != tt.more {
				t.Errorf("%s of %s since %v, %d of at most %d: %s, more %v, %v; want %s, %v", tt.conversation, tt.workspace, tt.since, tt.limit, tt.most, got, more, err, tt.want, tt.more)
			}
		}
	}
}

// A message with an earlier time that is committed later is found by who has read a
// later one, for a minute.
func TestPageAgain(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, schemas.CRM, rows, `insert into messages (id, conversation_id, workspace_id, body, created_at) values
		(u('e1'), u('c1'), u('f1'), 'x', now() - interval '40 seconds'), (u('e2'), u('c1'), u('f1'), 'x', now() - interval '36 seconds'), (u('e3'), u('c1'), u('f1'), 'x', now() - interval '34 seconds'),
		(u('e4'), u('c1'), u('f1'), 'x', now() - interval '4000 seconds'), (u('e5'), u('c1'), u('f1'), 'x', now() - interval '3999 seconds')`)
	p := lookup.NewPast(pool(t, url, nil), spec(t, "crm", ""))
	all, _, err := p.Page(t.Context(), id("f1"), id("c1"), day(9), 9, 9)
	if err != nil || keysOf(all) != "e4 e5 e1 e2 e3" {
		t.Fatalf("%s, %v", keysOf(all), err)
	}
	for i, want := range []string{"e1 e2 e3", "e1 e2 e3", "e1 e2 e3", "e1 e2 e3", "e2 e3"} {
		since := all[i].At.Add(time.Millisecond) // of what was printed of it
		if keys, _, err := p.Page(t.Context(), id("f1"), id("c1"), since, 9, 9); err != nil || !strings.HasSuffix(keysOf(keys), want) {
			t.Errorf("since %s: %s, %v; want %s", all[i].Key, keysOf(keys), err, want)
		}
	}
	if keys, _, err := p.Page(t.Context(), id("f1"), id("c1"), all[1].At.Add(time.Millisecond), 1, 9); err != nil || keysOf(keys) != "e1" {
		t.Errorf("old ones come again: %s, %v", keysOf(keys), err)
	}
	if keys, _, err := p.Page(t.Context(), id("f1"), id("c1"), all[3].At.Add(time.Millisecond), 1, 9); err != nil || keysOf(keys) != "e1 e2 e3" {
		t.Errorf("what may be known takes the place of what is new: %s, %v", keysOf(keys), err)
	}
}

// A list has all conversations of the workspace, also those without messages and times.
func TestList(t *testing.T) {
	t.Parallel()
	p := lookup.NewPast(pool(t, pgtest.DB(t, schemas.CRM, rows, "alter table conversations disable trigger all", later), nil), spec(t, "crm", ""))
	for workspace, want := range map[string]string{id("f1"): "c3 c1 c2 false", id("f2"): "c9 false", "no uuid": " false"} {
		keys, more, err := p.List(t.Context(), workspace, 3)
		if got := fmt.Sprint(keysOf(keys), " ", more); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", workspace, got, err, want)
		}
	}
	if keys, more, err := p.List(t.Context(), id("f1"), 1); err != nil || keysOf(keys) != "c3" || !more {
		t.Errorf("one: %s, %v, %v", keysOf(keys), more, err)
	}
	url := pgtest.DB(t, schemas.ChatEngine, `insert into conversations (id, workspace_id, updated_at) values ('1', 'w', null), ('2', 'w', '2026-01-01'), ('3', 'v', '2026-01-01')`)
	if keys, _, err := lookup.NewPast(pool(t, url, nil), spec(t, "chatengine", "")).List(t.Context(), "w", 9); err != nil || keysOf(keys) != "2 1" {
		t.Errorf("ChatEngine's: %s, %v", keysOf(keys), err)
	}
}
