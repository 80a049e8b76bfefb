package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"chatbridge/bridge/auth"
	"chatbridge/internal/balancer"
	"chatbridge/internal/retry"
	"chatbridge/internal/throwaway"
)

const (
	// killEvery is about how often a bridge is killed, and downTime how long it stays
	// away. The next is killed when all are ready again.
	killEvery = 5 * time.Second
	downTime  = 2 * time.Second
	// settleTime is how long the client may take at the end for what was just written.
	settleTime = 10 * time.Second
)

// nodes is a demo of several bridges that are one.
type nodes struct {
	opts    Options
	pool    *pgxpool.Pool
	bridges []*node
	balance *balancer.Balancer
	view    *view
	screen  *screen
	killed  int
}

// runNodes runs Options.Nodes bridges over Redis behind a load balancer, kills one after
// the other, and prints what a client sees.
func (o Options) runNodes(ctx context.Context, cluster *throwaway.Cluster, pool *pgxpool.Pool) (err error) {
	dir, err := os.MkdirTemp("", "chatbridge-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	redis, redisURL, err := startRedis(dir)
	if err != nil {
		return err
	}
	defer func() {
		redis.KillGroup()
		_ = redis.Wait()
	}()
	traffic, err := NewTraffic(ctx, pool, o.Rate, uint64(time.Now().UnixNano()))
	if err != nil {
		return err
	}
	secret := randomSecret()
	token, err := auth.Sign(secret, Workspaces[0], agent, "", "", time.Now(), tokenTime)
	if err != nil {
		return err
	}
	n := &nodes{opts: o, pool: pool, screen: &screen{out: o.Out, live: o.Live}}
	n.view = &view{pool: pool, note: n.screen.note}
	defer func() {
		for _, b := range n.bridges {
			b.kill()
		}
	}()
	if err := n.start(ctx, dir, cluster.URL(database), redisURL, secret); err != nil {
		return err
	}
	n.introduce(token)
	if o.For > 0 { // counts from here: the start is not included
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.For)
		defer cancel()
	}
	return n.show(ctx, traffic, token)
}

// start starts the bridges and the load balancer, and returns when all are ready.
func (n *nodes) start(ctx context.Context, dir, dsn, redis, secret string) error {
	var addresses []string
	for i := range n.opts.Nodes {
		b, err := newNode(strconv.Itoa(i+1), n.opts.Executable, dir, dsn, redis, secret, n.opts.Log)
		if err != nil {
			return err
		}
		n.bridges = append(n.bridges, b)
		addresses = append(addresses, b.listen)
		if err := b.start(); err != nil {
			return err
		}
	}
	for _, b := range n.bridges {
		if err := b.awaitReady(ctx); err != nil {
			return err
		}
	}
	var err error
	n.balance, err = balancer.Listen(balancer.Options{Listen: n.opts.Listen, Servers: addresses})
	return err
}

func (n *nodes) introduce(token string) {
	url := "http://" + n.balance.Addr()
	fmt.Fprintf(n.opts.Out, `
%d bridges are one, over Redis. A load balancer without stickiness is in front
of them; one bridge after the other is killed (kill -9) and started again.
A client of the CRM is connected, and what it has seen is compared with the
database.

The load balancer:      %s/api/ws
`, n.opts.Nodes, url)
	for _, b := range n.bridges {
		fmt.Fprintf(n.opts.Out, "How bridge %s is doing:  http://%s/\n", b.name, b.admin)
	}
	fmt.Fprintf(n.opts.Out, "\nTo see events:  %s tail --url %s --token %s\n\n", n.opts.Program, url, token)
}

// show runs all of it until ctx ends, and then says what the client has.
func (n *nodes) show(ctx context.Context, traffic *Traffic, token string) error {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	running, ctx := errgroup.WithContext(ctx)
	served, serving := errgroup.WithContext(serving)
	served.Go(func() error { return n.balance.Run(serving) })
	served.Go(func() error { return n.view.run(serving, "http://"+n.balance.Addr(), token) })
	running.Go(func() error { return traffic.Run(ctx) })
	running.Go(func() error { return n.kill(ctx) })
	running.Go(func() error { return n.watch(ctx) })
	err := running.Wait()
	if err == nil {
		err = n.conclude(serving)
	}
	stop()
	return errors.Join(err, served.Wait())
}

// kill kills one bridge after the other: every other time the one that leads.
func (n *nodes) kill(ctx context.Context) error {
	for i := 0; ; i++ {
		if retry.Sleep(ctx, retry.Jitter(killEvery)) != nil {
			return nil
		}
		b := n.victim(ctx, i%2 == 0)
		led := b.leads(ctx)
		what := "an edge"
		if led {
			what = "which led"
		}
		b.kill()
		n.killed++
		n.screen.note(fmt.Sprintf("bridge %s, %s, is killed", b.name, what))
		if led {
			n.succession(ctx)
		}
		if retry.Sleep(ctx, downTime) != nil {
			return nil
		}
		if err := b.start(); err != nil {
			return err
		}
		if err := b.awaitReady(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		n.screen.note(fmt.Sprintf("bridge %s is back and serves", b.name))
	}
}

// victim returns the bridge that leads, or one that does not.
func (n *nodes) victim(ctx context.Context, leader bool) *node {
	for _, i := range rand.Perm(len(n.bridges)) {
		if n.bridges[i].leads(ctx) == leader {
			return n.bridges[i]
		}
	}
	return n.bridges[rand.IntN(len(n.bridges))]
}

// succession tells who leads after the leader was killed.
func (n *nodes) succession(ctx context.Context) {
	for began := time.Now(); ctx.Err() == nil && time.Since(began) < readyTime; {
		for _, b := range n.bridges {
			if b.leads(ctx) {
				n.screen.note(fmt.Sprintf("bridge %s leads now, %.1f s later", b.name, time.Since(began).Seconds()))
				return
			}
		}
		_ = retry.Sleep(ctx, 50*time.Millisecond)
	}
}

// watch prints the client's view.
func (n *nodes) watch(ctx context.Context) error {
	every := 5 * time.Second
	if n.opts.Live {
		every = time.Second
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		c, err := n.view.compare(ctx, Workspaces[0], false)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("compare the client with the database: %w", err)
		}
		n.screen.status(c.String())
	}
}

// String is the line of the client's view.
func (c counts) String() string {
	return fmt.Sprintf("the client: %d events, %d messages of %d written, %d on their way, events missing %d",
		c.events, c.written-c.missing-c.waiting, c.written, c.waiting, c.missing)
}

// conclude waits until the client has what was written, and says how it ended.
func (n *nodes) conclude(ctx context.Context) error {
	var c counts
	for deadline := time.Now().Add(settleTime); ; {
		var err error
		if c, err = n.view.compare(ctx, Workspaces[0], true); err != nil {
			return fmt.Errorf("compare the client with the database: %w", err)
		}
		if c.missing == 0 || time.Now().After(deadline) {
			break
		}
		if err := retry.Sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	n.screen.status("")
	var away string
	if c.reconnects > 0 {
		away = fmt.Sprintf(", at most %.1f s away", c.longest.Seconds())
	}
	n.screen.print(fmt.Sprintf("%d bridges killed. The client was sent %d events, connected again %d times%s: events missing %d, messages repeated %d, gaps %d.\n",
		n.killed, c.events, c.reconnects, away, c.missing, c.repeated, c.gaps))
	if c.missing > 0 {
		return fmt.Errorf("the client is missing %d of %d messages", c.missing, c.written)
	}
	return nil
}

// MinNodes and MaxNodes bound Options.Nodes.
const (
	MinNodes = 2
	MaxNodes = 9
)
