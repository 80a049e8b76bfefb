package auth

import (
	"context"
	"strconv"
	"testing"
	"time"
)

type nobody struct{}

func (nobody) Find(context.Context, string, string) (string, error) { return "", nil }

// The memory is bounded however many workspaces somebody tries; what is out of
// date goes first.
func TestMemoryOfMembershipIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	m := newMemberCache(nobody{}, time.Minute, func() time.Time { return now })
	try := func(from, to int) {
		for i := from; i < to; i++ {
			if _, err := m.find(t.Context(), "u", strconv.Itoa(i)); err != nil {
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
	for key, a := range m.answers {
		if len(m.answers) < maxMembers && !now.Before(a.until) {
			t.Fatalf("%v is out of date and still remembered", key)
		}
	}
}
