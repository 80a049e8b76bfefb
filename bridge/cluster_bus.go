package bridge

import (
	"context"
	"encoding/json"

	"golang.org/x/sync/errgroup"

	"chatbridge/bridge/cluster"
	"chatbridge/bridge/gateway"
)

// run runs the cluster's parts, among them the connections to Redis, until ctx ends.
func (s *clusterSource) run(ctx context.Context) error {
	defer s.shared.Close()
	defer s.forwards.stop()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.node.Run(ctx) })
	group.Go(func() error { return s.bus.Run(ctx) })
	group.Go(func() error { return s.sessions.Run(ctx) })
	group.Go(func() error { return s.others.run(ctx, s.bus, s.about) })
	if s.gateway != nil {
		group.Go(func() error { return s.orders.Run(ctx) })
	}
	return group.Wait()
}

// others implements api.Others: it sends notices to the other bridges of the cluster.
type others struct{ bus *cluster.Bus }

// Typing implements api.Others.
func (o others) Typing(workspace string, payload []byte) {
	o.bus.Send(cluster.Notice{Kind: cluster.Typing, Workspace: workspace, Text: payload})
}

// Left implements api.Others.
func (o others) Left(user, workspace string) {
	o.bus.Send(cluster.Notice{Kind: cluster.Left, Workspace: workspace, User: user})
}

// hear handles a notice from another bridge.
func (s *clusterSource) hear(n *cluster.Notice) {
	switch n.Kind {
	case cluster.Typing:
		if json.Valid(n.Text) {
			s.api.Typing(n.Workspace, append([]byte(nil), n.Text...))
		}
	case cluster.Left:
		s.api.MemberLeft(n.User, n.Workspace)
	case cluster.Ordered:
		s.orders.Poll()
	case cluster.Freed:
		select {
		case s.freed <- struct{}{}:
		default:
		}
	}
}

// hearAgain makes up for notices that were missed, and for sessions that Redis may have lost.
func (s *clusterSource) hearAgain() {
	s.api.MembersChanged()
	s.api.KeepAll()
	s.orders.Poll()
}

// obey applies an order to this bridge's gateway that an operator gave to another bridge.
func (s *clusterSource) obey(o cluster.Order) {
	if err := s.gateway.Hold(gateway.Mode(o.Text)); err != nil {
		s.log.Warn("an order of another bridge of the cluster is not obeyed", "error", err, "by", o.By)
	}
}
