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
	names := map[*redis.Script]Script{putting: "put", finding: "find", taking: "take", ordering: "order"}
	return &Shared{history: History{System: 7, Database: 5}, evaluate: func(ctx context.Context, script *redis.Script, keys []string, args ...any) *redis.Cmd {
		return redis.NewCmdResult(run(ctx, names[script], keys, args))
	}}
}
