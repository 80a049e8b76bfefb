package auth

import (
	"context"

	"golang.org/x/sync/singleflight"
)

// share asks once for all callers that have the same question at the same time.
// Each gets the answer, or its own ctx's error where that ends before. ask goes
// on without a caller, so it must bound itself.
func share[V any](ctx context.Context, g *singleflight.Group, key string, ask func() (V, error)) (V, error) {
	select {
	case r := <-g.DoChan(key, func() (any, error) { return ask() }):
		v, _ := r.Val.(V)
		return v, r.Err
	case <-ctx.Done():
		var none V
		return none, ctx.Err()
	}
}
