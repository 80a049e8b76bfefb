package cluster

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"sync"

	"github.com/redis/go-redis/v9"
)

// sharedPool bounds the connections to Redis for what is not the stream.
const sharedPool = 8

// Shared is the connection to Redis for all that is not the stream: notices, clients'
// sessions, orders. Its methods are safe for concurrent use.
type Shared struct {
	prefix  string
	connect func(context.Context) (redis.UniversalClient, error)
	at      server
	// evaluate runs a script, at Redis.
	evaluate func(ctx context.Context, script *redis.Script, keys []string, args ...any) *redis.Cmd

	mu      sync.Mutex
	history History
	current redis.UniversalClient // nil before the first use
	closed  bool
}

// NewShared returns a Shared for the cluster of that name at an address, see RedisURL, and
// Redis for rotated. It connects when it is used.
func NewShared(address, name string, rotated ...func() string) (*Shared, error) {
	connect, err := client(address, sharedPool, rotated...)
	if err != nil {
		return nil, err
	}
	s := &Shared{prefix: prefixOf(name), connect: connect, at: serverOf(address)}
	s.evaluate = s.atRedis
	return s, nil
}

// Belong sets the bridge's database, which the notices, sessions, orders and claims belong to.
func (s *Shared) Belong(h History) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.history = h
}

// History returns the database that Belong was given last, zero before that.
func (s *Shared) History() History {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.history
}

// key returns a key of the history, or errUnknown.
func (s *Shared) key(name string) (string, error) {
	h := s.History()
	if h.IsZero() {
		return "", errUnknown
	}
	return keyOf(s.prefix, h, name), nil
}

// errUnknown is that of what is of one database, before it is known which.
var errUnknown = &remedied{"it is not known yet which database this bridge is of", "see that source.postgres.url leads to the database from here"}

// errClosed is that of a Shared that was closed.
var errClosed = errors.New("the connection to Redis was closed")

// client returns the client to be used now.
func (s *Shared) client(ctx context.Context) (redis.UniversalClient, error) {
	if c, err := s.connected(); c != nil || err != nil {
		return c, err
	}
	c, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		_ = c.Close()
		return nil, errClosed
	case s.current != nil: // another goroutine was faster
		_ = c.Close()
	default:
		s.current = c
	}
	return s.current, nil
}

// connected returns the client that there is, nil for none.
func (s *Shared) connected() (redis.UniversalClient, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	return s.current, nil
}

// renew drops the connections, so that the next ones ask Sentinel again, where there is
// one: a server that answers can be one to which nobody writes any more.
func (s *Shared) renew(was redis.UniversalClient) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == was && was != nil {
		_ = was.Close()
		s.current = nil
	}
}

// Close ends all connections.
func (s *Shared) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.current != nil {
		_ = s.current.Close()
		s.current = nil
	}
}

// run runs a script on keys of these names, see key.
func (s *Shared) run(ctx context.Context, script *redis.Script, names []string, args ...any) (*redis.Cmd, error) {
	keys := make([]string, len(names))
	for i, name := range names {
		var err error
		if keys[i], err = s.key(name); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	cmd := s.evaluate(ctx, script, keys, args...)
	return cmd, cmd.Err()
}

func (s *Shared) atRedis(ctx context.Context, script *redis.Script, keys []string, args ...any) *redis.Cmd {
	c, err := s.client(ctx)
	if err != nil {
		return redis.NewCmdResult(nil, err)
	}
	return script.Run(ctx, c, keys, args...)
}

// NewNodeID returns a name for a process that no other of the cluster has: nodeIDLen
// characters of 0 to 9 and a to f.
func NewNodeID() string {
	var b [nodeIDLen / 2]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// NewSecret returns 256 random bits as text.
func NewSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// nodeIDLen is the length of a node's id.
const nodeIDLen = 10

// IsNodeID reports whether NewNodeID may have returned it.
func IsNodeID(id string) bool {
	_, err := hex.DecodeString(id)
	return err == nil && len(id) == nodeIDLen
}
