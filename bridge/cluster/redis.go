package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	// keysFor is how long the keys outlive the last leader.
	keysFor = 24 * time.Hour
	// readEntries bounds what one read returns.
	readEntries = 64
	dialTimeout = 2 * time.Second
)

// RedisURL says what addresses Redis takes.
const RedisURL = "redis://[user:password@]host[:6379][/database], rediss:// for TLS, or with Sentinel redis://[user:password@]sentinel:26379[/database]?master_name=NAME[&addr=another:26379][&username=…&password=…]"

// Redis returns how to connect to the Redis of an address, see RedisURL, for the
// cluster of that name. It connects to nothing itself.
func Redis(address, name string) (Dial, error) {
	connect, err := Client(address)
	if err != nil {
		return nil, err
	}
	prefix := prefixOf(name)
	return func(context.Context) (Store, error) {
		return &redisStore{client: connect(), prefix: prefix}, nil
	}, nil
}

// prefixOf is what all keys of a cluster begin with. The braces keep them on one node of
// a Redis Cluster.
func prefixOf(name string) string { return "bridge:{" + name + "}:" }

// Client returns how to make a client for an address. The client connects when it is
// used, and asks Sentinel, where there is one, when it is new.
func Client(address string) (func() *redis.Client, error) { return client(address, 2) }

// client is Client with a pool of that many connections.
func client(address string, pool int) (func() *redis.Client, error) {
	silence()
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("cluster.redis_url is no address") // err may show the password
	}
	at := serverOf(address)
	if u.Query().Get("master_name") != "" {
		o, err := redis.ParseFailoverURL(address)
		if err != nil {
			return nil, fmt.Errorf("cluster.redis_url: %w", err)
		}
		o.MaxRetries, o.ContextTimeoutEnabled, o.DisableIdentity = -1, true, true
		o.DialTimeout, o.DialerRetries, o.PoolSize, o.ClientName, o.Protocol = dialTimeout, 1, pool, clientName, 2
		return func() *redis.Client { return at.watched(redis.NewFailoverClient(o)) }, nil
	}
	o, err := redis.ParseURL(address)
	if err != nil {
		return nil, fmt.Errorf("cluster.redis_url: %w", err)
	}
	o.MaxRetries, o.ContextTimeoutEnabled, o.DisableIdentity = -1, true, true
	o.DialTimeout, o.DialerRetries, o.PoolSize, o.ClientName, o.Protocol = dialTimeout, 1, pool, clientName, 2
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return func() *redis.Client { return at.watched(redis.NewClient(o)) }, nil
}

// silence keeps the library from writing to standard error, once: what fails is
// returned as an error too.
var silence = sync.OnceFunc(func() { redis.SetLogger(silent{}) })

type silent struct{}

// Printf implements the library's logger.
func (silent) Printf(context.Context, string, ...any) {}

// redisStore is Redis.
type redisStore struct {
	client *redis.Client
	prefix string
}

var (
	appending = newScript(appendScript)
	beating   = newScript(beatScript)
)

func (s *redisStore) stream(e Epoch) string { return s.prefix + e.String() }
func (s *redisStore) beats() string         { return s.prefix + "beat" }

// Append implements Store.
func (s *redisStore) Append(ctx context.Context, epoch Epoch, last ID, a Append) (ID, error) {
	args := []any{last.String(), keysFor.Milliseconds(), "0", a.Keep.String()}
	if a.Replace {
		args[2] = "1"
	}
	if a.Entry != nil {
		args = append(args, a.ID.String(), a.Entry)
	}
	return s.run(ctx, appending, []string{s.stream(epoch)}, args...)
}

// Beat implements Store.
func (s *redisStore) Beat(ctx context.Context, epoch Epoch, last, keep ID, through uint64, beat []byte) (ID, error) {
	return s.run(ctx, beating, []string{s.stream(epoch), s.beats()}, last.String(), keysFor.Milliseconds(), keep.String(), beat,
		epoch.String(), fmt.Sprintf("%020d-%020d", last.Commit, last.Sub), fmt.Sprintf("%020d", through))
}

func (s *redisStore) run(ctx context.Context, script *redis.Script, keys []string, args ...any) (ID, error) {
	text, err := script.Run(ctx, s.client, keys, args...).Text()
	if err != nil {
		return ID{}, fmt.Errorf("append to the stream in Redis: %w", err)
	}
	return ParseID(text)
}

// LastBeat implements Store.
func (s *redisStore) LastBeat(ctx context.Context) (RawBeat, error) {
	messages, err := s.client.XRevRangeN(ctx, s.beats(), "+", "-", 1).Result()
	if err != nil {
		return RawBeat{}, fmt.Errorf("read the leader's beat from Redis: %w", err)
	}
	if len(messages) == 0 {
		return RawBeat{Name: "0-0"}, nil
	}
	return rawBeat(messages[0])
}

func rawBeat(m redis.XMessage) (RawBeat, error) {
	through, err := strconv.ParseUint(string(field(m, "t")), 10, 64)
	if err != nil {
		return RawBeat{}, &remedied{"read the leader's beat from Redis: it is of another version of the bridge", remedyVersion}
	}
	return RawBeat{Name: m.ID, Text: field(m, "b"), Through: through}, nil
}

// Read implements Store.
func (s *redisStore) Read(ctx context.Context, epoch Epoch, after ID, beat string, wait time.Duration) (Reply, error) {
	keys := []string{s.beats(), beat}
	if !epoch.IsZero() {
		keys = []string{s.stream(epoch), s.beats(), after.String(), beat}
	}
	var r Reply
	streams, err := s.client.XRead(ctx, &redis.XReadArgs{Streams: keys, Count: readEntries, Block: wait}).Result()
	if errors.Is(err, redis.Nil) {
		return r, nil
	}
	if err != nil {
		return r, fmt.Errorf("read the stream from Redis: %w", err)
	}
	for _, stream := range streams {
		if stream.Stream == s.beats() {
			if r.Beat, err = rawBeat(stream.Messages[len(stream.Messages)-1]); err != nil {
				return r, err
			}
			continue
		}
		for _, m := range stream.Messages {
			r.Entries = append(r.Entries, field(m, "e"))
		}
	}
	return r, nil
}

func field(m redis.XMessage, name string) []byte {
	text, _ := m.Values[name].(string)
	return []byte(text)
}

// Remove implements Store.
func (s *redisStore) Remove(ctx context.Context, epoch Epoch) error {
	if err := s.client.Del(ctx, s.stream(epoch)).Err(); err != nil {
		return fmt.Errorf("remove a former stream from Redis: %w", err)
	}
	return nil
}

// Close implements Store.
func (s *redisStore) Close() error { return s.client.Close() }
