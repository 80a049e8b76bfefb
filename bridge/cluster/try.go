package cluster

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Rights are what the bridge's user may do at Redis, as ACL SETUSER takes them; the last
// three are for a Redis Cluster.
const Rights = "~bridge:* &bridge:* +ping +info +eval +evalsha +xadd +xread +xrevrange +xtrim +del +get +set +pexpire +publish +subscribe +client|setname +cluster|info +cluster|slots +asking"

// trial is a history that no database has.
var trial = History{System: 1}

// Try does all that a bridge does at Redis, on keys of a history that there is not, and
// leaves nothing. The error is the first that came.
func Try(ctx context.Context, address, name string) error {
	for _, try := range []func(ctx context.Context, address, name string) error{tryStream, tryNotices, trySessions, tryClaims} {
		if err := try(ctx, address, name); err != nil {
			return err
		}
	}
	return nil
}

// tryStream appends, reads and removes.
func tryStream(ctx context.Context, address, name string) error {
	dial, err := Redis(address, name, func(context.Context) (History, error) { return trial, nil })
	if err != nil {
		return err
	}
	store, err := dial(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	epoch := epochOf(trial)
	if err := store.Remove(ctx, epoch); err != nil {
		return err
	}
	id := ID{Commit: 1}
	if _, err := store.Append(ctx, epoch, ID{}, Append{ID: id, Entry: []byte("bridge check")}); err != nil {
		return err
	}
	reply, err := store.Read(ctx, epoch, ID{}, "$", time.Millisecond)
	if err == nil && len(reply.Entries) != 1 {
		err = fmt.Errorf("what was written is not read back: %d entries", len(reply.Entries))
	}
	if err != nil {
		return err
	}
	if _, err := store.LastBeat(ctx); err != nil {
		return err
	}
	return store.Remove(ctx, epoch)
}

// tryNotices hears what it tells.
func tryNotices(ctx context.Context, address, name string) error {
	shared, err := NewShared(address, name)
	if err != nil {
		return err
	}
	defer shared.Close()
	c, err := shared.client(ctx)
	if err != nil {
		return err
	}
	channel := shared.prefix + "check"
	sub := c.Subscribe(ctx, channel)
	defer sub.Close()
	for told := false; ; {
		m, err := sub.ReceiveTimeout(ctx, opTimeout)
		if err != nil {
			return fmt.Errorf("hear what is told over PUB/SUB: %w", err)
		}
		if _, heard := m.(*redis.Message); heard {
			return nil
		}
		if told {
			continue
		}
		told = true
		if err := c.Publish(ctx, channel, "bridge check").Err(); err != nil {
			return fmt.Errorf("tell over PUB/SUB: %w", err)
		}
	}
}

// trySessions keeps a session, finds it and takes it over.
func trySessions(ctx context.Context, address, name string) error {
	shared, err := NewShared(address, name)
	if err != nil {
		return err
	}
	defer shared.Close()
	shared.Belong(trial)
	s := NewSessions(shared, time.Second)
	const pid = "bridge check"
	if _, err := s.put(ctx, []string{sessionName(pid)}, []pendingSession{{version: 1, body: []byte(pid)}}); err != nil {
		return err
	}
	found, err := s.Find(ctx, pid)
	if err == nil {
		_, _, err = s.Take(ctx, pid, found.Version)
	}
	if c, e := shared.client(ctx); err == nil && e == nil {
		err = c.Del(ctx, keyOf(shared.prefix, trial, sessionName(pid))).Err()
	}
	return err
}

// tryClaims claims and takes it back.
func tryClaims(ctx context.Context, address, name string) error {
	shared, err := NewShared(address, name)
	if err != nil {
		return err
	}
	defer shared.Close()
	shared.Belong(trial)
	c := NewClaims(shared)
	const id = "bridge check"
	if _, err := c.Claim(ctx, "", id, id, time.Second); err != nil {
		return err
	}
	return c.Release(ctx, "", id, id)
}
