package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Try does all that a bridge does at Redis: each command by itself and in its script, on
// keys of its own, which it removes, and each of the cluster's keys as far as that changes
// nothing. What something else has written in their place the bridges write over by
// themselves. It returns what does not work, nil for nothing; of what has the same remedy the
// first.
func Try(ctx context.Context, address, name string) []error {
	shared, err := NewShared(address, name)
	if err != nil {
		return []error{err}
	}
	defer shared.Close()
	c, err := shared.client(ctx)
	if err != nil {
		return []error{err}
	}
	t := &trial{shared: shared, client: c, prefix: shared.prefix, reported: make(map[string]bool)}
	// Two checks at once have keys of their own.
	shared.prefix += "check-" + NewNodeID() + ":"
	shared.Belong(nobodys)
	defer t.clean(ctx)
	for _, try := range []func(ctx context.Context){t.commands, t.keys, t.stream, t.notices, t.sessions, t.claims, t.order} {
		if try(ctx); t.away {
			break
		}
	}
	return t.all()
}

// trialHistory is a history that no database has.
var nobodys = History{System: 1}

// trial is one Try.
type trial struct {
	// shared has keys of the trial's own; prefix is that of the cluster's.
	shared   *Shared
	client   redis.UniversalClient
	prefix   string
	failed   []error
	reported map[string]bool // remedies
	// missing are the rights that the user does not have, noPerm the first error about one.
	missing []right
	noPerm  error
	// away: Redis does not answer, so nothing else is tried.
	away bool
}

// note notes an error, nil for none.
func (t *trial) note(err error) {
	var answer redis.Error
	if err == nil || errors.Is(err, redis.Nil) {
		return
	}
	var trouble *Trouble
	if errors.As(err, &trouble) && !errors.As(err, &answer) {
		t.away = true
	}
	if trouble != nil && trouble.missing != nil {
		if l := *trouble.missing; !t.reported[l.grant] {
			t.reported[l.grant], t.noPerm = true, cmp.Or(t.noPerm, error(trouble))
			t.missing = append(t.missing, l)
		}
		return
	}
	if remedy := Remedy(err); !t.reported[remedy] {
		t.reported[remedy] = true
		t.failed = append(t.failed, err)
	}
}

// all are all errors, with one for all rights.
func (t *trial) all() []error {
	if len(t.missing) == 0 {
		return t.failed
	}
	sum := missingRights(t.missing...)
	sum.Text, sum.err = t.noPerm.(*Trouble).Text, t.noPerm
	return append([]error{sum}, t.failed...)
}

// commands runs each command by itself, so that one that is missing is told by its name.
func (t *trial) commands(ctx context.Context) {
	for _, u := range uses {
		args := append([]any(nil), u.args...)
		for i, a := range args {
			if a == "KEY" || a == "STREAM" {
				args[i] = t.shared.prefix + fmt.Sprint(a)
			}
		}
		if len(args) == 0 {
			continue
		}
		if t.note(t.client.Do(ctx, args...).Err()); t.away {
			return
		}
	}
}

// keys names the cluster's keys to a script that does nothing: Redis looks whether the user
// may use them.
func (t *trial) keys(ctx context.Context) {
	keys := []string{t.prefix + epochOf(nobodys).String()}
	for _, name := range []string{"beat", orderName, sessionName("0"), "claim:0"} {
		keys = append(keys, keyOf(t.prefix, nobodys, name))
	}
	for _, key := range keys {
		t.note(t.client.Eval(ctx, "return 1", []string{key}).Err())
	}
}

// stream appends, beats, reads and removes.
func (t *trial) stream(ctx context.Context) {
	store := &redisStore{client: t.client, prefix: t.shared.prefix, beats: keyOf(t.shared.prefix, nobodys, "beat")}
	epoch, id := epochOf(nobodys), ID{Commit: 1}
	_, err := store.Append(ctx, epoch, ID{}, Append{ID: id, Entry: []byte("bridge check")})
	t.note(err)
	_, _, err = store.Beat(ctx, epoch, id, ID{}, 0, []byte("bridge check"))
	t.note(err)
	reply, err := store.Read(ctx, epoch, ID{}, "$", time.Millisecond)
	if t.note(err); err == nil && len(t.all()) == 0 && len(reply.Entries) != 1 {
		t.note(&remedied{
			fmt.Sprintf("what was written is not read back: %d entries", len(reply.Entries)),
			"CONFIG SET maxmemory-policy noeviction; and no proxy between the bridge and Redis that reads from replicas",
		})
	}
	t.note(store.Remove(ctx, epoch))
}

// notices hears what it tells.
func (t *trial) notices(ctx context.Context) {
	channel := t.shared.prefix + "bus"
	sub := t.client.Subscribe(ctx, channel)
	defer sub.Close()
	for told := false; ; {
		m, err := sub.ReceiveTimeout(ctx, opTimeout)
		if err != nil {
			t.note(t.shared.at.explain(err, asked{command: "subscribe", channels: []string{channel}}))
			return
		}
		if _, heard := m.(*redis.Message); heard {
			return
		}
		if told {
			continue
		}
		told = true
		if err := t.client.Publish(ctx, channel, "bridge check").Err(); err != nil {
			t.note(err)
			return
		}
	}
}

// sessions keeps a session, finds it and takes it over.
func (t *trial) sessions(ctx context.Context) {
	s := NewSessions(t.shared, time.Second, 0)
	const pid = "bridge check"
	_, err := s.put(ctx, []string{sessionName(pid)}, []pendingSession{{version: 1, body: []byte(pid)}})
	t.note(err)
	found, err := s.Find(ctx, pid)
	t.note(err)
	_, _, err = s.Take(ctx, pid, found.Version)
	t.note(err)
	t.note(t.client.Del(ctx, keyOf(t.shared.prefix, nobodys, sessionName(pid))).Err())
}

// claims claims and takes it back.
func (t *trial) claims(ctx context.Context) {
	c := NewClaims(t.shared)
	const id = "bridge check"
	_, err := c.Claim(ctx, "", id, id, time.Second)
	t.note(err)
	t.note(c.Release(ctx, "", id, id))
}

// order gives an order.
func (t *trial) order(ctx context.Context) {
	o := Order{Version: 1}
	_, err := t.shared.run(ctx, ordering, []string{orderName}, 10_000, o.rank(), "bridge check")
	t.note(err)
}

// clean removes what is left, with and without the right to.
func (t *trial) clean(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), opTimeout)
	defer cancel()
	keys := []string{t.shared.prefix + "KEY", t.shared.prefix + "STREAM", t.shared.prefix + epochOf(nobodys).String()}
	for _, name := range []string{"beat", orderName} {
		keys = append(keys, keyOf(t.shared.prefix, nobodys, name))
	}
	if !t.away {
		_ = t.client.Del(ctx, keys...).Err() // what stays expires
	}
}
