//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"chatbridge/bench/internal/load"
)

// settle is longer than the bridge waits for a first subscription.
const settle = 600 * time.Millisecond

// options are those of n connections to the server.
func (st *stage) options(n int) (load.Options, error) {
	addr, err := netip.ParseAddrPort(st.server.addr)
	return load.Options{
		Addr: addr, Path: "/api/ws/?EIO=4&transport=websocket", Auth: `{"token":"` + st.token + `"}`,
		Prefix: `42["message"`, Parse: parseDue, Clients: n, InFlight: n,
	}, err
}

// connect connects n clients, which read once Receive is called.
func (st *stage) connect(ctx context.Context, n int) (*load.Group, error) {
	o, err := st.options(n)
	if err != nil {
		return nil, err
	}
	g, _, err := load.Dial(ctx, o)
	return g, err
}

// firstEvent connects a client and returns when it had an event.
func firstEvent(ctx context.Context, o load.Options) (*load.Group, time.Time, error) {
	g, _, err := load.Dial(ctx, o)
	if err != nil {
		return nil, time.Time{}, err
	}
	published := make(chan struct{})
	close(published)
	r, err := g.Receive(ctx, 1, 1, published)
	if err == nil && r.Lost > 0 {
		err = errors.New("no event came")
	}
	if err != nil {
		g.Close()
		return nil, time.Time{}, err
	}
	return g, time.Now(), nil
}

// connectLive connects clients and waits until they are past their catching up.
func (st *stage) connectLive(ctx context.Context, n int) (*load.Group, error) {
	o, err := st.options(n)
	if err != nil {
		return nil, err
	}
	return dialLive(ctx, o)
}

func dialLive(ctx context.Context, o load.Options) (*load.Group, error) {
	g, _, err := load.Dial(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := g.Idle(ctx, settle); err != nil {
		g.Close()
		return nil, err
	}
	return g, nil
}

// receive runs insert while the clients read, until each has got n messages.
func receive(ctx context.Context, g *load.Group, n, sampleEvery int, insert func() error) (load.Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	inserted := make(chan struct{})
	var insertErr error
	go func() {
		defer close(inserted)
		if insertErr = insert(); insertErr != nil {
			cancel()
		}
	}()
	r, err := g.Receive(ctx, n, sampleEvery, inserted)
	if err != nil {
		cancel()
	}
	<-inserted
	if err := errors.Join(insertErr, err); err != nil {
		return r, err
	}
	if r.Lost > 0 {
		return r, fmt.Errorf("%d of %d messages did not arrive", r.Lost, r.Lost+r.Deliveries)
	}
	return r, nil
}
