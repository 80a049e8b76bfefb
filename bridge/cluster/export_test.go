package cluster

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// EncodeNotice and DecodeNotice are the code of notices.
func EncodeNotice(n Notice) []byte { return n.encode() }

func DecodeNotice(data []byte) (Notice, error) { return decodeNotice(data) }

// Script is one of those that a Shared runs.
type Script string

// NewFakeShared returns a Shared whose scripts are run by that, in place of Redis.
func NewFakeShared(run func(ctx context.Context, script Script, keys []string, args []any) (any, error)) *Shared {
	names := map[*redis.Script]Script{putting: "put", finding: "find", taking: "take", emptying: "empty", ordering: "order"}
	return &Shared{history: History{System: 7, Database: 5}, evaluate: func(ctx context.Context, script *redis.Script, keys []string, args ...any) *redis.Cmd {
		return redis.NewCmdResult(run(ctx, names[script], keys, args))
	}}
}

// Better tells whether one answer of a server of a Redis Cluster is believed rather than
// another; an epoch of zero is no answer.
func Better(whole bool, epoch uint64, otherWhole bool, otherEpoch uint64) bool {
	answer := func(whole bool, epoch uint64) *slotMap {
		if epoch == 0 {
			return &slotMap{err: errNoServer}
		}
		return &slotMap{complete: whole, epoch: epoch}
	}
	return answer(whole, epoch).better(answer(otherWhole, otherEpoch))
}

// SeenFrom is the address of a server as another one tells it.
func SeenFrom(addr, told string) string { return seenFrom(addr, told) }
