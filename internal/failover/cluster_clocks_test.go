package failover_test

import (
	"net/http"
	"time"
)

// bridgesClocksStep: the leader's clock goes ahead and an edge's back, then the other way
// round, and right again. Each time all pages are loaded, and then the third bridge is
// killed, so that its clients come to the two.
func bridgesClocksStep(c *clusterWorld, _ int) {
	l, e := c.leader(), c.edge()
	for _, off := range []time.Duration{10 * time.Minute, -10 * time.Minute, 0} {
		l.clock.Set(off)
		pause(time.Second, 3*time.Second)
		e.clock.Set(-off)
		for n, want := range map[*clusterNode]time.Duration{l: off, e: -off} {
			if is := n.off(c); (is - want).Abs() > time.Minute {
				c.t.Fatalf("a bridge's clock is off by %v, want %v", is, want)
			}
		}
		c.clients.Reload(c.database)
		for _, n := range c.nodes {
			if n != l && n != e {
				n.Kill()
				pause(time.Second, 3*time.Second)
				n.Start()
			}
		}
		c.awaitHealthy()
	}
}

// off is how far a bridge's clock is from the machine's, by what it answers.
func (n *clusterNode) off(c *clusterWorld) time.Duration {
	c.t.Helper()
	resp, err := http.Get(n.URL() + "/healthz")
	if err != nil {
		c.t.Fatal(err)
	}
	resp.Body.Close()
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		c.t.Fatal(err)
	}
	return time.Until(date).Round(time.Second)
}

// redisClockSteps: what Redis keeps for a while it forgets at once where its clock goes
// ahead, and keeps for longer where that goes back. Clients ask for what it keeps
// of them when their bridge has died.
func redisClockSteps(c *clusterWorld, _ int) {
	for _, off := range []time.Duration{time.Hour, -time.Hour, 0} {
		c.redisClock.Set(off)
		now, err := c.redis.Client().Time(c.t.Context()).Result()
		if is := time.Until(now); err != nil || (is-off).Abs() > time.Minute {
			c.t.Fatalf("Redis' clock is off by %v, want %v: %v", is, off, err)
		}
		pause(500*time.Millisecond, 3*time.Second)
		c.clients.Reload(c.database) // so that each bridge has clients again
		e := c.edge()
		e.Kill()
		pause(100*time.Millisecond, time.Second)
		e.Start()
		c.awaitHealthy()
	}
}
