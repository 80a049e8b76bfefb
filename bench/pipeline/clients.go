//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// clients are Socket.IO clients that count messages and keep their latencies.
type clients struct {
	conns []*websocket.Conn
	wg    sync.WaitGroup
	// messages counts all clients' together; least is what it takes for all
	// of them to have got everything.
	messages atomic.Int64
	lost     atomic.Int64 // connections that ended

	mu        sync.Mutex
	latencies []time.Duration
	// every is how many messages there are to one whose latency is kept.
	every int
}

// settle is longer than the bridge waits for a first subscription.
const settle = 600 * time.Millisecond

// connect connects n clients that read, and stuck ones that do not.
func (st *stage) connect(ctx context.Context, n, stuck, every int) (*clients, error) {
	c := &clients{every: every}
	for i := range n + stuck {
		conn, res, err := websocket.DefaultDialer.DialContext(ctx, "ws://"+st.server.addr+"/api/ws/?EIO=4&transport=websocket", nil)
		if err != nil {
			c.close()
			return nil, fmt.Errorf("connect client %d: %w", i, err)
		}
		_ = res.Body.Close()
		c.conns = append(c.conns, conn)
		if err := conn.WriteMessage(websocket.TextMessage, []byte(`40{"token":"`+st.token+`"}`)); err != nil {
			c.close()
			return nil, err
		}
		if i < n {
			c.wg.Go(func() { c.read(conn) })
		}
	}
	time.Sleep(settle)
	return c, nil
}

func (c *clients) close() {
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	c.wg.Wait()
}

var (
	messagePrefix = []byte(`42["message"`)
	mark          = []byte(" at:")
)

func (c *clients) read(conn *websocket.Conn) {
	buf := make([]byte, 64<<10)
	seen := 0
	for {
		_, r, err := conn.NextReader()
		if err != nil {
			c.lost.Add(1)
			return
		}
		n, err := io.ReadFull(r, buf)
		if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
			c.lost.Add(1)
			return
		}
		packet := buf[:n]
		switch {
		case n == 1 && packet[0] == '2':
			_ = conn.WriteMessage(websocket.TextMessage, []byte("3"))
		case bytes.HasPrefix(packet, messagePrefix):
			if seen++; seen%c.every == 0 {
				c.sample(packet)
			}
			c.messages.Add(1)
		}
	}
}

func (c *clients) sample(packet []byte) {
	_, rest, ok := bytes.Cut(packet, mark)
	if !ok || len(rest) < 19 {
		return
	}
	due, err := strconv.ParseInt(string(rest[:19]), 10, 64)
	if err != nil {
		return
	}
	d := time.Since(time.Unix(0, due))
	c.mu.Lock()
	c.latencies = append(c.latencies, d)
	c.mu.Unlock()
}

// await waits until all clients together have got n messages.
func (c *clients) await(ctx context.Context, n int64) error {
	for c.messages.Load() < n {
		if lost := c.lost.Load(); lost > 0 {
			return fmt.Errorf("%d clients were disconnected", lost)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d messages: %w", c.messages.Load(), n, ctx.Err())
		case <-time.After(time.Millisecond):
		}
	}
	return nil
}

// quantiles returns the median and the 99th percentile, and forgets.
func (c *clients) quantiles() (p50, p99 time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.latencies) == 0 {
		return 0, 0
	}
	slices.Sort(c.latencies)
	p50, p99 = c.latencies[len(c.latencies)/2], c.latencies[len(c.latencies)*99/100]
	c.latencies = c.latencies[:0]
	return p50, p99
}
