package auth

import (
	"context"

	"golang.org/x/sync/singleflight"
)

// share calls ask once for all concurrent callers with the same key. Each gets the
// answer, or the error of its own ctx if that ends first. ask goes on when all callers
// have left, so it must end by itself.
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
