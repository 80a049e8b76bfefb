package cluster

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// keysFor is how long the keys outlive the last leader.
	keysFor = 24 * time.Hour
	// readEntries bounds what one read returns.
	readEntries = 64
)

// Redis returns how to connect to the Redis of an address, see RedisURL, for the
// cluster of that name whose database history returns; an error of that is one of Dial.
// It connects to nothing itself. rotated, where there is one, returns the address as it is
// now: its user and password, with Sentinel those of the servers behind it, are of the
// connections that are made from then on. All else stays as in address.
func Redis(address, name string, history func(context.Context) (History, error), rotated ...func() string) (Dial, error) {
	connect, err := client(address, streamPool, rotated...)
	if err != nil {
		return nil, err
	}
	prefix := prefixOf(name)
	return func(ctx context.Context) (Store, error) {
		h, err := history(ctx)
		if err != nil {
			return nil, err
		}
		client, err := connect(ctx)
		if err != nil {
			return nil, err
		}
		return &redisStore{client: client, prefix: prefix, beats: keyOf(prefix, h, "beat")}, nil
	}, nil
}

// prefixOf is what all keys of a cluster begin with. The braces keep them in one slot of
// a Redis Cluster, so that a script may have several.
func prefixOf(name string) string { return "bridge:{" + name + "}:" }

// keyOf is a key of a history: what two databases have under one name does not meet.
func keyOf(prefix string, h History, name string) string { return prefix + h.String() + ":" + name }

// redisStore is Redis.
type redisStore struct {
	client redis.UniversalClient
	prefix string
	beats  string // the key of those of the history
}

var (
	appending = newScript(appendScript)
	beating   = newScript(beatScript)
)

func (s *redisStore) stream(e Epoch) string { return s.prefix + e.String() }

// Append implements Store.
func (s *redisStore) Append(ctx context.Context, epoch Epoch, last ID, a Append) (ID, error) {
	args := []any{last.String(), keysFor.Milliseconds(), "0", a.Keep.String()}
	if a.Replace {
		args[2] = "1"
	}
	if a.Entry != nil {
		args = append(args, a.ID.String(), a.Entry)
	}
	text, err := s.run(ctx, appending, []string{s.stream(epoch)}, args...)
	if err != nil {
		return ID{}, err
	}
	if text == "taken" {
		return ID{}, errIDTaken
	}
	return ParseID(text)
}

// Beat implements Store.
func (s *redisStore) Beat(ctx context.Context, epoch Epoch, last, keep ID, through uint64, beat []byte) (ID, uint64, error) {
	text, err := s.run(ctx, beating, []string{s.stream(epoch), s.beats}, last.String(), keysFor.Milliseconds(), keep.String(), beat,
		epoch.String(), fmt.Sprintf("%020d-%020d", last.Commit, last.Sub), fmt.Sprintf("%020d", through))
	if err != nil {
		return ID{}, 0, err
	}
	id, reached, ok := strings.Cut(text, " ")
	if ok {
		if through, err = strconv.ParseUint(reached, 10, 64); err != nil {
			through = math.MaxUint64 // larger still
		}
	}
	at, err := ParseID(id)
	return at, through, err
}

func (s *redisStore) run(ctx context.Context, script *redis.Script, keys []string, args ...any) (string, error) {
	text, err := script.Run(ctx, s.client, keys, args...).Text()
	if err != nil {
		return "", fmt.Errorf("append to the stream in Redis: %w", err)
	}
	return text, nil
}

// LastBeat implements Store.
func (s *redisStore) LastBeat(ctx context.Context) (RawBeat, error) {
	messages, err := s.client.XRevRangeN(ctx, s.beats, "+", "-", 1).Result()
	if redis.HasErrorPrefix(err, "WRONGTYPE") {
		return RawBeat{Name: "0-0"}, nil // the next beat removes it
	}
	if err != nil {
		return RawBeat{}, fmt.Errorf("read the leader's beat from Redis: %w", err)
	}
	if len(messages) == 0 {
		return RawBeat{Name: "0-0"}, nil
	}
	return rawBeat(messages[0])
}

func rawBeat(m redis.XMessage) (RawBeat, error) {
	// One whose place is no number is none of a bridge: decodeBeat tells.
	through, err := strconv.ParseUint(string(field(m, "t")), 10, 64)
	return RawBeat{Name: m.ID, Text: field(m, "b"), Through: through, Foreign: err != nil}, nil
}

// Read implements Store.
func (s *redisStore) Read(ctx context.Context, epoch Epoch, after ID, beat string, wait time.Duration) (Reply, error) {
	keys := []string{s.beats, beat}
	if !epoch.IsZero() {
		keys = []string{s.stream(epoch), s.beats, after.String(), beat}
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
		if stream.Stream == s.beats {
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

// Evicts implements Store.
func (s *redisStore) Evicts(ctx context.Context) (policy string, evicted uint64) {
	info, err := s.client.Info(ctx).Result()
	if err != nil {
		return "", 0
	}
	for line := range strings.Lines(info) {
		switch name, value, _ := strings.Cut(strings.TrimSpace(line), ":"); name {
		case "maxmemory_policy":
			policy = value
		case "evicted_keys":
			evicted, _ = strconv.ParseUint(value, 10, 64)
		}
	}
	return policy, evicted
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
