package auth

import (
	"context"
	"log/slog"
	"net/netip"
	"strconv"
	"testing"
	"time"
)

type nobody struct{}

func (nobody) Find(context.Context, string, string) (string, error) { return "", nil }

func (nobody) Existing(context.Context, []Membership) ([]Membership, error) { return nil, nil }

// The memory is bounded however many users and workspaces are tried; what is out of
// date goes first.
func TestMemoryOfMembershipIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	m := newMemberCache(nobody{}, time.Minute, func() time.Time { return now }, slog.New(slog.DiscardHandler))
	try := func(from, to int) {
		for i := from; i < to; i++ {
			if _, err := m.find(t.Context(), "u"+strconv.Itoa(i), "w", netip.Addr{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	try(0, maxMembers+100)
	if n := m.stats().Entries; n > maxMembers || n < maxMembers*9/10 {
		t.Errorf("%d answers remembered", n)
	}
	now = now.Add(2 * time.Minute)
	try(maxMembers+100, 2*maxMembers)
	if n := m.stats().Entries; n > maxMembers {
		t.Errorf("%d answers remembered", n)
	}
	if n := len(m.limits.users.all); n > maxAskers {
		t.Errorf("%d users remembered", n)
	}
	for key, a := range m.answers {
		if len(m.answers) < maxMembers && !now.Before(a.until) {
			t.Fatalf("%v is out of date and still remembered", key)
		}
	}
}
