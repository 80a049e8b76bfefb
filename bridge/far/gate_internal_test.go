package far

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestGate: a few at a time, one of each workspace; workspaces take turns, however many
// wait of one of them.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(2)
		var order []string
		entered := make(chan string, 100)
		leave := make(chan struct{})
		wait := func(workspace string) {
			go func() {
				if err := g.enter(t.Context(), workspace, false, time.Hour); err != nil {
					t.Error(err)
				}
				entered <- workspace
				<-leave
				g.leave(workspace)
			}()
			synctest.Wait()
		}
		for range 5 {
			wait("a")
		}
		wait("b")
		wait("b")
		wait("c")
		if n := g.waits(); n != 6 {
			t.Errorf("%d wait", n)
		}
		for range 8 {
			synctest.Wait()
			if g.free < 0 || len(g.busy) > 2 {
				t.Errorf("too many are in: %+v", g)
			}
			leave <- struct{}{}
		}
		synctest.Wait()
		close(entered)
		for w := range entered {
			order = append(order, w)
		}
		if got := fmt.Sprint(order); got != "[a b a b c a a a]" {
			t.Errorf("the turns are %v", order)
		}
		if g.waits() != 0 || g.free != 2 || len(g.busy) != 0 {
			t.Errorf("afterwards %+v", g)
		}
	})
}

// TestGateGivenUp: who gives up takes nobody's turn.
func TestGateGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1)
		if err := g.enter(t.Context(), "a", false, time.Hour); err != nil {
			t.Fatal(err)
		}
		for _, workspace := range []string{"a", "b"} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := g.enter(ctx, workspace, false, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", workspace, err)
			}
		}
		if g.waits() != 0 || len(g.turns) != 0 {
			t.Errorf("somebody still waits: %+v", g)
		}
		g.leave("a")
		for _, workspace := range slices.Repeat([]string{"b", "a"}, 3) {
			if err := g.enter(t.Context(), workspace, false, time.Hour); err != nil {
				t.Error(err)
			}
			g.leave(workspace)
		}
	})
}

// TestGatePatience: who waits is served, however long it takes, while others of its
// workspace have their turns; it is refused once there has been none for too long.
func TestGatePatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1)
		const patience = 30 * time.Second
		began := time.Now()
		errs := make(chan error, 10)
		for range cap(errs) {
			go func() {
				err := g.enter(t.Context(), "a", false, patience)
				errs <- err
				if err == nil {
					time.Sleep(20 * time.Second)
					g.leave("a")
				}
			}()
		}
		for range cap(errs) {
			if err := <-errs; err != nil {
				t.Errorf("after %v: %v", time.Since(began), err)
			}
		}
		if took := time.Since(began); took != 180*time.Second {
			t.Errorf("the last had its turn after %v", took)
		}
		// It is in for good now: neither its own nor another workspace gets in.
		if err := g.enter(t.Context(), "b", false, patience); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		for _, workspace := range []string{"b", "a"} {
			at := time.Now()
			if err := g.enter(t.Context(), workspace, false, patience); !errors.Is(err, ErrBusy) {
				t.Errorf("%s: %v after %v", workspace, err, time.Since(at))
			} else if waited := time.Since(at); waited != patience {
				t.Errorf("%s waited %v", workspace, waited)
			}
		}
		g.leave("b")
		if g.waits() != 0 || len(g.admitted) != 0 {
			t.Errorf("afterwards %+v", g)
		}
	})
}
