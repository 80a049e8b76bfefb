package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Claims let one bridge of the cluster claim an action, named by a workspace and an id, that
// must happen once. Its methods are safe for concurrent use.
type Claims struct{ shared *Shared }

// NewClaims returns the Claims of a cluster.
func NewClaims(s *Shared) *Claims { return &Claims{s} }

func claimName(workspace, id string) string {
	sum := sha256.Sum256([]byte(workspace + "\x00" + id))
	return "claim:" + hex.EncodeToString(sum[:16])
}

// Claim claims an id for a value, for the duration keep, unless it is claimed already, and
// returns the value that holds the claim.
func (c *Claims) Claim(ctx context.Context, workspace, id, value string, keep time.Duration) (string, error) {
	client, err := c.shared.client(ctx)
	if err != nil {
		return "", err
	}
	key, err := c.shared.key(claimName(workspace, id))
	if err != nil {
		return "", err
	}
	switch taken, err := client.SetNX(ctx, key, value, keep).Result(); {
	case err != nil:
		return "", fmt.Errorf("claim a message in Redis: %w", err)
	case taken:
		return value, nil
	}
	switch has, err := client.Get(ctx, key).Result(); {
	case errors.Is(err, redis.Nil):
		return "", errors.New("claim a message in Redis: the claim of another has just ended")
	case err != nil:
		return "", fmt.Errorf("read a claim in Redis: %w", err)
	default:
		return has, nil
	}
}

// releasing deletes a claim held for ARGV[1].
var releasing = newScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
`)

// Release deletes a claim, if it is held for value.
func (c *Claims) Release(ctx context.Context, workspace, id, value string) error {
	_, err := c.shared.run(ctx, releasing, []string{claimName(workspace, id)}, value)
	return err
}
