package cluster_test

import (
	"testing"
	"time"

	"chatbridge/bridge/cluster"
	"chatbridge/internal/throwaway/redistest"
)

// TestAClaimIsOfOne, of one id of one workspace, until it takes it back; with the rights that the
// bridge's user has.
func TestAClaimIsOfOne(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	shared, err := cluster.NewShared(server.URL(), "test")
	if err != nil {
		t.Fatal(err)
	}
	shared.Belong(history)
	defer shared.Close()
	claims := cluster.NewClaims(shared)
	claim := func(workspace, id, value, want string) {
		t.Helper()
		if has, err := claims.Claim(t.Context(), workspace, id, value, time.Minute); has != want || err != nil {
			t.Errorf("%s of %s is claimed for %q, %v; want %q", id, workspace, has, err, want)
		}
	}
	claim("w1", "opt_1", "a", "a")
	claim("w1", "opt_1", "a", "a") // again, as after an answer that was lost
	claim("w1", "opt_1", "b", "a")
	claim("w2", "opt_1", "b", "b")
	if err := claims.Release(t.Context(), "w1", "opt_1", "b"); err != nil {
		t.Fatal(err)
	}
	claim("w1", "opt_1", "b", "a")
	if err := claims.Release(t.Context(), "w1", "opt_1", "a"); err != nil {
		t.Fatal(err)
	}
	claim("w1", "opt_1", "b", "b")
	if _, err := claims.Claim(t.Context(), "w1", "opt_2", "a", time.Millisecond); err != nil {
		t.Fatal(err)
	}
	await(t, "it ends", func() bool {
		has, err := claims.Claim(t.Context(), "w1", "opt_2", "b", time.Minute)
		return err == nil && has == "b"
	})
	server.Stop()
	if _, err := claims.Claim(t.Context(), "w1", "opt_3", "a", time.Minute); err == nil {
		t.Error("claimed without Redis")
	}
}
