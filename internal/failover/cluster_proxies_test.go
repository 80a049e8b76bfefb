package failover_test

import (
	"testing"

	"chatbridge/internal/chatengine"
	"chatbridge/internal/failover"
)

// TestClusterProxies runs each load balancer with the configuration in configs/ in front
// of three bridges that are one: clients are spread, those of a bridge that dies come to
// the others and miss nothing, long polling works, and the whole is the fallback of a
// ChatEngine behind the same kind of load balancer.
func TestClusterProxies(t *testing.T) {
	if !full() && !clusterLong() {
		t.Parallel()
	}
	c := newClusterNodes(t, clusterOptions{})
	c.writer = c.world.writer("")
	kinds := failover.Kinds()
	urls, clients := map[string]string{}, map[string]*failover.Clients{}
	for _, kind := range kinds {
		var links [3]*failover.Link
		var addresses [3]string
		for i, n := range c.nodes {
			links[i] = failover.NewLink(t, n.Addr())
			addresses[i] = links[i].Addr()
		}
		urls[kind] = failover.StartClusterProxy(t, kind, addresses).URL
		clients[kind] = c.world.clients(urls[kind])
		for i, l := range links {
			if l.Len() == 0 {
				t.Errorf("%s: none of %d clients is at bridge %d", kind, c.size.clients, i)
			}
		}
	}

	c.writer.Start("r00")
	e := c.edge()
	e.Kill()
	for _, kind := range kinds {
		awaitConnects(t, clients[kind], c.size.clients+1)
	}
	e.Start()
	e.AwaitReady()
	for _, kind := range kinds {
		c.clients = clients[kind]
		c.finishCluster(&fault{name: "an edge killed behind " + kind}, 1)
		// HAProxy also ends the request that it is trying at the bridge in the moment in which
		// it finds it gone (shutdown-sessions); that client comes again.
		may := 0
		if kind == "haproxy" {
			may = 1
		}
		if s := c.clients.Summary(); s.Errors > may {
			t.Errorf("%s: clients were refused %d times although two bridges were ready", kind, s.Errors)
		}
		polls := c.world.clientsBy(urls[kind], "polling")
		if s := polls.Summary(); s.Connects != c.size.clients || s.Errors > 0 || len(s.Failures) > 0 {
			t.Errorf("%s with long polling: %v %v", kind, s, s.Failures)
		}
	}

	engine := chatengine.New(t, chatengine.Options{Secret: secret})
	for _, kind := range kinds {
		clients[kind] = c.world.clients(failover.StartProxy(t, kind, engine.Addr(), hostPort(urls[kind])).URL)
	}
	engine.Kill()
	for _, kind := range kinds {
		awaitConnects(t, clients[kind], 2*c.size.clients)
		if s := clients[kind].Summary(); s.Errors > 0 || len(s.Failures) > 0 {
			t.Errorf("%s after ChatEngine was killed: %v %v; want no failed attempt", kind, s, s.Failures)
		}
	}
}
