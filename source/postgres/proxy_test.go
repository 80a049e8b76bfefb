package postgres_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// proxy is a TCP proxy in front of a server, which can stand for a network
// that drops packets, and for a pooler.
type proxy struct {
	listener net.Listener

	mu     sync.Mutex
	target string
	conns  map[net.Conn]bool
	frozen chan struct{} // closed while it forwards
	// old are the same for the connections of earlier generations.
	old        []chan struct{}
	generation int
	// strip removes the replication parameter, as poolers do.
	strip atomic.Bool
	wg    sync.WaitGroup
}

// newProxy starts a proxy in front of the server of address and returns the
// address that leads through it.
func newProxy(t testing.TB, address string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: u.Host, conns: map[net.Conn]bool{}, frozen: make(chan struct{})}
	close(p.frozen)
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		l.Close()
		p.cut()
		p.thaw()
		p.wg.Wait()
	})
	u.Host = l.Addr().String()
	return p, u.String()
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		target := p.target
		p.mu.Unlock()
		server, err := net.Dial("tcp", target)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		p.wg.Go(func() {
			if p.strip.Load() && !startup(client, server) {
				client.Close()
				server.Close()
				return
			}
			p.forward(server, client)
		})
		p.wg.Go(func() { p.forward(client, server) })
	}
}

// startup forwards the first message without its replication parameter.
func startup(client io.Reader, server io.Writer) bool {
	head := make([]byte, 4)
	if _, err := io.ReadFull(client, head); err != nil {
		return false
	}
	body := make([]byte, binary.BigEndian.Uint32(head)-4)
	if _, err := io.ReadFull(client, body); err != nil {
		return false
	}
	body = bytes.Replace(body, []byte("replication\x00database\x00"), nil, 1)
	_, err := server.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...))
	return err == nil
}

func (p *proxy) forward(to, from net.Conn) {
	defer to.Close()
	p.mu.Lock()
	generation := p.generation
	p.mu.Unlock()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		p.mu.Lock()
		frozen := p.frozen
		if generation < p.generation {
			frozen = p.old[generation]
		}
		p.mu.Unlock()
		<-frozen
		if err != nil {
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// freeze stops forwarding: connections stay open and nothing passes.
func (p *proxy) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.frozen:
		p.frozen = make(chan struct{})
	default:
	}
}

// freezeOld freezes the connections that are open now; new ones pass.
func (p *proxy) freezeOld() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.old = append(p.old, make(chan struct{}))
	p.generation++
}

func (p *proxy) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.frozen:
	default:
		close(p.frozen)
	}
	for i := range p.old {
		select {
		case <-p.old[i]:
		default:
			close(p.old[i])
		}
	}
}

// cut closes all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
	clear(p.conns)
}

// leadTo makes new connections go to another server.
func (p *proxy) leadTo(t testing.TB, address string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = u.Host
}
