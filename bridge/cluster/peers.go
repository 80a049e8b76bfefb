package cluster

import (
	"errors"
	"net/url"
	"strings"
	"time"
)

const (
	// peerTimeout is how long after its last hello a node counts as gone.
	peerTimeout = 4 * time.Second
	// maxPeers bounds the nodes of a cluster.
	maxPeers = 64
)

// Peer is another live node, as described by itself.
type Peer struct {
	ID string
	// Of is the database that it is of, zero where it does not know yet.
	Of History
	// Address is where it serves other nodes, nil for nowhere; About is what it says of
	// itself.
	Address *url.URL
	About   About
	heard   time.Time
}

// meet takes a node's hello.
func (b *Bus) meet(n *Notice, now time.Time) {
	p := Peer{ID: n.From, Of: n.Of, About: decodeAbout(n.Text), heard: now}
	if u, err := ParseAdvertise(n.Key); err == nil {
		p.Address = u
	}
	b.mu.Lock()
	_, known := b.peers[n.From]
	if known || b.room(n.Of) {
		b.peers[n.From] = p
	}
	b.mu.Unlock()
	if !known {
		b.answerNow()
	}
}

// room reports whether there is room for another node of a database: those of others take
// none of it. b.mu is held.
func (b *Bus) room(of History) bool {
	same := 0
	for _, p := range b.peers {
		if p.Of == of {
			same++
		}
	}
	return same < maxPeers && len(b.peers) < 4*maxPeers
}

// forgetPeers forgets nodes without a hello for peerTimeout.
func (b *Bus) forgetPeers(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, p := range b.peers {
		if now.Sub(p.heard) >= peerTimeout {
			delete(b.peers, id)
			delete(b.receiveLimits, id)
		}
	}
	for id, p := range b.outdated {
		if now.Sub(p.heard) >= peerTimeout {
			delete(b.outdated, id)
		}
	}
}

// Peer returns another node of the same database that lives.
func (b *Bus) Peer(id string) (Peer, bool) {
	of := b.opts.Shared.History()
	b.mu.Lock()
	defer b.mu.Unlock()
	p, ok := b.peers[id]
	return p, ok && p.Of == of && !of.IsZero()
}

// ParseAdvertise reads the address of a node: http or https, a host, and nothing else.
func ParseAdvertise(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Opaque != "" || u.User != nil,
		u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		return nil, errAdvertise
	}
	u.Path = ""
	return u, nil
}

// errAdvertise: the text is no address of a node.
var errAdvertise = errors.New("want http://host:port or https://host:port, and nothing after it")
