package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	// othersAsked bounds the servers that are asked for the slot map, besides those of
	// cluster.redis_url.
	othersAsked = 8
	// othersAnswer is how long the others may take after the first one that answered.
	othersAnswer = 100 * time.Millisecond
)

// servers are those of a Redis Cluster. They are remembered from one client to the next,
// so that a new one finds the cluster also where no server of cluster.redis_url lives.
// Its methods may be called from any goroutine.
type servers struct {
	at      server
	options redis.ClusterOptions

	mu     sync.Mutex
	others []string // that the last answer named
}

// newServers returns the servers of an address, see RedisURL.
func newServers(address string, pool int, rotated []func() string) (*servers, error) {
	o, err := redis.ParseClusterURL(address)
	if err != nil {
		return nil, err
	}
	o.MaxRetries, o.ContextTimeoutEnabled, o.DisableIdentity = -1, true, true
	o.DialTimeout, o.DialerRetries, o.PoolSize, o.ClientName, o.Protocol = dialTimeout, 1, pool, clientName, 2
	o.PipelinePoolSize = -1
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	o.CredentialsProviderContext = credentials(rotated)
	// A replica may lack what the master has acknowledged.
	o.ReadOnly, o.RouteByLatency, o.RouteRandomly = false, false, false
	o.DisableRoutingPolicies = true // they take COMMAND
	return &servers{at: serverOf(address), options: *o}, nil
}

// known reports whether the servers have answered as those of a Redis Cluster.
func (s *servers) known() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.others) > 0
}

// asked are the servers to be asked: those of cluster.redis_url and some of the others.
func (s *servers) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Clone(s.options.Addrs)
	for _, i := range rand.Perm(len(s.others)) {
		if other := s.others[i]; len(all) < len(s.options.Addrs)+othersAsked && !slices.Contains(all, other) {
			all = append(all, other)
		}
	}
	return all
}

// client returns a client of all servers.
func (s *servers) client() *clusterClient {
	ctx, cancel := context.WithCancel(context.Background())
	o := s.options
	o.ClusterSlots = func(asked context.Context) ([]redis.ClusterSlot, error) {
		asked, done := context.WithTimeout(asked, opTimeout)
		defer done()
		defer context.AfterFunc(ctx, done)() // the client asks in the background, too
		return s.slots(asked)
	}
	c := &clusterClient{redis.NewClusterClient(&o), cancel}
	c.AddHook(reloading{c})
	s.at.watch(c)
	return c
}

// slotMap is one server's view of who has which slot.
type slotMap struct {
	slots []redis.ClusterSlot
	// complete: the server sees a majority of the masters, and all slots. epoch rises with each
	// change.
	complete bool
	epoch    uint64
	err      error
}

// better reports whether m is to be preferred to other: a server that is cut off does not know
// of a failover.
func (m *slotMap) better(other *slotMap) bool {
	switch {
	case m.err != nil || other.err != nil:
		return m.err == nil
	case m.complete != other.complete:
		return m.complete
	}
	return m.epoch > other.epoch
}

// slots asks the servers, all at once, because one that is asleep takes connections and
// says nothing.
func (s *servers) slots(ctx context.Context) ([]redis.ClusterSlot, error) {
	ctx, cancel := context.WithCancel(ctx)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel()
	addrs := s.asked()
	answers := make(chan slotMap, len(addrs))
	for _, addr := range addrs {
		asking.Go(func() { answers <- s.ask(ctx, addr) })
	}
	best := slotMap{err: errNoServer}
	var late <-chan time.Time
	for answered := 0; answered < len(addrs); {
		select {
		case m := <-answers:
			answered++
			if m.better(&best) {
				best = m
			} else if errors.Is(best.err, errNoServer) { // the first reason is told
				best.err = m.err
			}
			if late == nil && best.err == nil {
				late = time.After(othersAnswer)
			}
		case <-late:
			answered = len(addrs)
		}
	}
	if best.err != nil {
		if isNone(best.err) {
			s.remember(nil)
			best.err = fmt.Errorf("%w: it is of none; leave addr out of cluster.redis_url, or where it is a Sentinel add master_name", best.err)
		}
		return nil, fmt.Errorf("ask the Redis Cluster which server has the stream: %w", best.err)
	}
	if best.complete {
		s.remember(best.slots)
	}
	return best.slots, nil
}

// errNoServer is that of no answer.
var errNoServer = errors.New("no server answers")

// isNone reports whether the error is that of a server outside any Redis Cluster.
func isNone(err error) bool {
	return strings.Contains(err.Error(), "cluster support disabled") || strings.Contains(err.Error(), "unknown command")
}

// remember keeps what servers there are.
func (s *servers) remember(slots []redis.ClusterSlot) {
	var all []string
	for i := range slots {
		for _, n := range slots[i].Nodes {
			if !slices.Contains(all, n.Addr) {
				all = append(all, n.Addr)
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.others = all
}

// ask asks one server.
func (s *servers) ask(ctx context.Context, addr string) slotMap {
	o := &s.options
	c := redis.NewClient(&redis.Options{
		Addr: addr, Username: o.Username, Password: o.Password, CredentialsProviderContext: o.CredentialsProviderContext, TLSConfig: o.TLSConfig, ClientName: o.ClientName, Protocol: o.Protocol,
		DialTimeout: o.DialTimeout, DialerRetries: o.DialerRetries, MaxRetries: o.MaxRetries, ContextTimeoutEnabled: true,
		DisableIdentity: true, PoolSize: o.PoolSize, PipelinePoolSize: o.PipelinePoolSize, MaintNotificationsConfig: o.MaintNotificationsConfig,
	})
	defer c.Close()
	s.at.watch(c)
	defer context.AfterFunc(ctx, func() { _ = c.Close() })() // it does not look at ctx while it reads
	info, err := c.ClusterInfo(ctx).Result()
	if err != nil {
		return slotMap{err: fmt.Errorf("%s: %w", addr, err)}
	}
	slots, err := c.ClusterSlots(ctx).Result() //lint:ignore SA1019 what replaces it needs Redis 7
	if err != nil {
		return slotMap{err: fmt.Errorf("%s: %w", addr, err)}
	}
	for i := range slots {
		for j := range slots[i].Nodes {
			n := &slots[i].Nodes[j]
			n.Addr = seenFrom(addr, n.Addr)
		}
	}
	m := slotMap{slots: slots, complete: strings.Contains(info, "cluster_state:ok")}
	if found := currentEpoch.FindStringSubmatch(info); found != nil {
		m.epoch, _ = strconv.ParseUint(found[1], 10, 64)
	}
	return m
}

var currentEpoch = regexp.MustCompile(`cluster_current_epoch:(\d+)`)

// seenFrom is the address of a server as another one that was asked at addr tells it. One
// that does not know its own, or knows it as its machine's own, has that at which it was
// asked.
func seenFrom(addr, named string) string {
	host, port, err := net.SplitHostPort(named)
	askedHost, askedPort, askedErr := net.SplitHostPort(addr)
	if err != nil || askedErr != nil {
		return named
	}
	if host == "" || host == "?" || isLoopback(host) && !isLoopback(askedHost) {
		host = askedHost
	}
	if port == "0" { // that without TLS
		port = askedPort
	}
	return net.JoinHostPort(host, port)
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// clusterClient is a client of a Redis Cluster.
type clusterClient struct {
	*redis.ClusterClient
	cancel func()
}

// Close ends it.
func (c *clusterClient) Close() error {
	c.cancel()
	return c.ClusterClient.Close()
}

// owner returns the master that has the slot of a key.
func (c *clusterClient) owner(ctx context.Context, key string) (*redis.Client, error) {
	return c.MasterForKey(ctx, key)
}

// Publish publishes at the server where those who subscribe are, instead of any, which may
// be asleep.
func (c *clusterClient) Publish(ctx context.Context, channel string, message any) *redis.IntCmd {
	owner, err := c.owner(ctx, channel)
	if err != nil {
		return redis.NewIntResult(0, err)
	}
	cmd := owner.Publish(ctx, channel, message)
	c.note(ctx, cmd.Err())
	return cmd
}

// note asks anew who has which slot where a server did not answer.
func (c *clusterClient) note(ctx context.Context, err error) {
	if reply := redis.Error(nil); err != nil && !errors.As(err, &reply) {
		c.ReloadState(ctx)
	}
}

// reloading does that after each command: the library does where it is told that a slot has
// moved, which a server that has died does not tell.
type reloading struct{ client *clusterClient }

// DialHook implements redis.Hook.
func (r reloading) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (r reloading) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		r.client.note(ctx, err)
		return err
	}
}

// ProcessPipelineHook implements redis.Hook.
func (r reloading) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
