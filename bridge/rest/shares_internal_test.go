package rest

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// TestBurst: a user may ask for a burst at once, and then as often as its rate.
func TestBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShares()
		ask := func() (n int) {
			for {
				leave, ok := s.enter("w", "u")
				if !ok {
					return n
				}
				leave()
				n++
			}
		}
		if n := ask(); n != burst {
			t.Errorf("%d at once, want %d", n, burst)
		}
		time.Sleep(time.Second)
		if n := ask(); n != perSecond {
			t.Errorf("%d a second later, want %d", n, perSecond)
		}
		time.Sleep(time.Hour)
		if n := ask(); n != burst {
			t.Errorf("%d an hour later, want %d", n, burst)
		}
	})
}

// TestUnderWay: what one user, one workspace and all may have under way, and keep in
// memory; and that all of it is given back.
func TestUnderWay(t *testing.T) {
	s := newShares()
	var leaves []func()
	enter := func(workspace, user string) bool {
		leave, ok := s.enter(workspace, user)
		if ok {
			leaves = append(leaves, leave)
		}
		return ok
	}
	count := func(workspace func(int) string, user func(int) string) (n int) {
		for enter(workspace(n), user(n)) {
			n++
		}
		return n
	}
	a, one := func(int) string { return "a" }, func(int) string { return "u" }
	number := func(n int) string { return fmt.Sprint(n) }
	if n := count(a, one); n != userAtOnce {
		t.Errorf("%d of one user", n)
	}
	if n := count(a, number); n != workspaceAtOnce-userAtOnce {
		t.Errorf("%d of a workspace besides", n)
	}
	if !enter("b", "u") {
		t.Error("a user of another workspace has no place")
	}
	if n := count(number, number); n != atOnce-workspaceAtOnce-1 {
		t.Errorf("%d of other workspaces", n)
	}
	for _, leave := range leaves {
		leave()
	}
	if s.all != 0 || len(s.users) != 0 || len(s.workspaces) != 0 {
		t.Errorf("left: %d, %v, %v", s.all, s.users, s.workspaces)
	}
	releases := 0
	var release []func()
	keep := func(workspace string, n int) bool {
		f, ok := s.keep(workspace, n)
		if ok {
			releases++
			release = append(release, f)
		}
		return ok
	}
	if !keep("a", workspaceBytes+1) || keep("a", 1) || !keep("b", workspaceBytes) || keep("b", 1) || !keep("c", workspaceBytes) || keep("d", workspaceBytes) || !keep("d", 1) || !keep("e", 0) {
		t.Errorf("kept %v", s.bytesOf)
	}
	for _, f := range release {
		f()
	}
	if s.bytes != 0 || len(s.bytesOf) != 0 {
		t.Errorf("left: %d, %v", s.bytes, s.bytesOf)
	}
}

// TestManyUsers: users are not remembered without bound.
func TestManyUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShares()
		for i := range maxUsers + 1000 {
			if leave, ok := s.enter("w", fmt.Sprint(i)); ok {
				leave()
			}
		}
		if len(s.full) > maxUsers+1 {
			t.Errorf("%d are remembered", len(s.full))
		}
		time.Sleep(time.Minute)
		if leave, ok := s.enter("w", "new"); !ok || len(s.full) != 1 {
			t.Errorf("a minute later %d are remembered", len(s.full))
		} else {
			leave()
		}
	})
}
