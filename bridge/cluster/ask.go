package cluster

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// askFor is how long Ask waits for the answer of each node that was reached.
const askFor = 1500 * time.Millisecond

// Ask asks the nodes under a cluster's name to identify themselves, without becoming a node. of
// is the caller's database.
func Ask(ctx context.Context, address, name string, of History) (Others, error) {
	shared, err := NewShared(address, name)
	if err != nil {
		return Others{}, err
	}
	defer shared.Close()
	shared.Belong(of)
	b := NewBus(BusOptions{Shared: shared, ID: NewNodeID()})
	c, err := shared.client(ctx)
	if err != nil {
		return Others{}, err
	}
	sub := c.Subscribe(ctx, b.channel)
	defer sub.Close()
	failed := func(err error) error {
		return fmt.Errorf("hear the other bridges: %w", shared.at.explain(err, asked{command: "subscribe", channels: []string{b.channel}}))
	}
	if m, err := sub.ReceiveTimeout(ctx, opTimeout); err != nil {
		return Others{}, failed(err)
	} else if _, ok := m.(*redis.Subscription); !ok {
		return Others{}, fmt.Errorf("hear the other bridges: %v came before the subscription", m)
	}
	n := Notice{Kind: asks, From: b.opts.ID, Of: of}
	reached, err := c.Publish(ctx, b.channel, n.encode()).Result()
	if err != nil {
		return Others{}, fmt.Errorf("ask the other bridges: %w", err)
	}
	// The notice reaches this subscription too, hence the -1. A node of another format sends a
	// hello every second.
	for until := time.Now().Add(askFor); int64(b.met()) < reached-1 && time.Now().Before(until); {
		m, err := sub.ReceiveTimeout(ctx, max(time.Until(until), time.Millisecond))
		if message, ok := m.(*redis.Message); ok {
			b.take(ctx, []byte(message.Payload), time.Now())
		} else if err != nil && !isTimeout(err) {
			return Others{}, failed(err)
		}
	}
	return b.Others(), nil
}

// met is how many nodes were heard of.
func (b *Bus) met() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.peers) + len(b.outdated)
}
