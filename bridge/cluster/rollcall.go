package cluster

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// RollCall asks the bridges of a cluster to say where they are, and returns those that did,
// in the order of their addresses. It waits for as many as Redis says that listen, for two
// seconds at most.
func RollCall(ctx context.Context, address, name string) ([]Peer, error) {
	shared, err := NewShared(address, name)
	if err != nil {
		return nil, err
	}
	defer shared.Close()
	c, err := shared.client()
	if err != nil {
		return nil, err
	}
	b := NewBus(BusOptions{Shared: shared, ID: NewNodeID()})
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	sub := c.Subscribe(ctx, b.channel)
	defer sub.Close()
	listen := asked{command: "subscribe", channels: []string{b.channel}}
	if _, err := sub.ReceiveTimeout(ctx, opTimeout); err != nil {
		return nil, shared.at.explain(err, listen)
	}
	ask := &Notice{Kind: rollCall, From: b.opts.ID}
	heard, err := c.Publish(ctx, b.channel, ask.encode()).Result()
	if err != nil {
		return nil, err
	}
	// This one hears itself.
	for others := int(heard) - 1; b.Stats().Peers < others && ctx.Err() == nil; {
		m, err := sub.ReceiveTimeout(ctx, readWait)
		if isTimeout(err) || ctx.Err() != nil {
			continue
		}
		if err != nil {
			return nil, shared.at.explain(err, listen)
		}
		message, ok := m.(*redis.Message)
		if !ok {
			continue
		}
		if n, err := decodeNotice([]byte(message.Payload)); err == nil && n.Kind == hello && n.From != b.opts.ID {
			b.meet(&n, time.Now())
		}
	}
	var all []Peer
	for _, p := range b.peers {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b Peer) int { return strings.Compare(a.where()+a.ID, b.where()+b.ID) })
	return all, nil
}

func (p *Peer) where() string {
	if p.Address == nil {
		return ""
	}
	return p.Address.String()
}
