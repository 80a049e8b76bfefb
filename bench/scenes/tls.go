//go:build linux

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	"chatbridge/bench/internal/peer"
	"chatbridge/bench/internal/results"
)

// steadyRate is in events a second to a room of a thousand clients.
const steadyRate = 20

var tlsScene = scene{
	name: "tls", title: "TLS", clients: 10_000, duration: roomsScene.duration,
	about: func(p plan) string {
		one, many := oneRoom(p.clients/10), manyRooms(p.clients)
		return fmt.Sprintf("TLS 1.3 with ECDSA P-256: one room of %d clients at %d events a second, and %d rooms of %d at %d. "+
			"Connections are made anew, and once more with their sessions resumed; each connection's own handshake above TLS is part of that.",
			one.clients, steadyRate, many.rooms, many.perRoom(), many.rooms)
	},
	measure: measureTLS,
	asked: map[string]results.Asked{
		"CPU s per million deliveries, one room":   {Most: 0.5, Of: better},
		"CPU s per million deliveries, many rooms": {Most: 0.5, Of: better},
	},
}

func oneRoom(clients int) *audience { return &audience{clients: max(1, clients), rooms: 1, subs: 1} }

func measureTLS(ctx context.Context, p plan, server peer.Peer, r *recorder) error {
	c, err := newCertificate()
	if err != nil {
		return err
	}
	defer c.remove()
	one, many := oneRoom(p.clients/10), manyRooms(p.clients)
	if err := secureSteady(ctx, p, server, r, c, one, ", one room", steadyRate); err != nil {
		return fmt.Errorf("one room: %w", err)
	}
	return secureSteady(ctx, p, server, r, c, many, ", many rooms", float64(many.rooms))
}

// secureSteady connects, connects again with the sessions of before, and measures a
// steady rate.
func secureSteady(ctx context.Context, p plan, server peer.Peer, r *recorder, c *certificate, a *audience, suffix string, rate float64) error {
	process, err := peer.Start(ctx, server, peer.Options{Cores: peer.ServerCore, Env: c.env()})
	if err != nil {
		return err
	}
	o, err := a.options(server, process)
	if err != nil {
		process.Stop()
		return err
	}
	config := c.client()
	// Full handshakes are those of clients that have no session, so without a cache.
	o.TLS = config.Clone()
	o.TLS.ClientSessionCache = nil
	s, err := connectMeasured(process, o.Clients, r, "connects/s, full handshakes"+suffix, func() (*session, error) { return opened(ctx, process, o) })
	if err != nil {
		return err
	}
	s.Clients.Close()
	o.TLS = config
	if err := fillCache(ctx, config, process); err != nil {
		process.Stop()
		return err
	}
	s, err = connectMeasured(process, o.Clients, r, "connects/s, sessions resumed"+suffix, func() (*session, error) { return opened(ctx, process, o) })
	if err != nil {
		return err
	}
	defer s.Close()
	if n := s.Clients.Resumed(); n < o.Clients {
		return fmt.Errorf("%d of %d connections resumed their session", n, o.Clients)
	}
	return steady(ctx, p, s, a, server, r, suffix, rate)
}

// connectMeasured notes how fast connections are made, and for how much CPU.
func connectMeasured(process *peer.Process, clients int, r *recorder, figure string, connect func() (*session, error)) (*session, error) {
	before, err := process.Usage()
	if err != nil {
		process.Stop()
		return nil, err
	}
	s, err := connect()
	if err != nil {
		return nil, err
	}
	after, err := process.Usage()
	if err != nil {
		s.Close()
		return nil, err
	}
	r.add(figure, float64(clients)/s.Took.Seconds())
	r.add("CPU ms of each of these, "+figure[len("connects/s, "):], after.Since(before).CPU.Seconds()*1e3/float64(clients))
	return s, nil
}

// fillCache has one connection bring the session that the others resume. A server sends
// it after the handshake, so something must be read.
func fillCache(ctx context.Context, config *tls.Config, process *peer.Process) error {
	var d tls.Dialer
	d.Config = config
	c, err := d.DialContext(ctx, "tcp", process.Addr.String())
	if err != nil {
		return err
	}
	_, err = c.Write([]byte("GET /api/ws/?EIO=4&transport=polling HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"))
	if err == nil {
		_, err = c.Read(make([]byte, 1))
	}
	return errors.Join(err, c.Close())
}
