package bridge

import (
	"net/url"
	"sync/atomic"

	"chatbridge/configs"
)

// passwords are the current ones of the databases' roles and of Redis, and the anon key. A
// reload changes them for the connections that are made from then on; open ones stay. Its
// methods are safe for concurrent use.
type passwords struct {
	first *configs.Config
	now   atomic.Pointer[configs.Config]
}

func newPasswords(cfg *configs.Config) *passwords {
	p := &passwords{first: cfg}
	p.now.Store(cfg)
	return p
}

// of returns a function that returns the current password of an address, "" for the one that
// is in the address of the start. If the address was changed in more than its password, it
// takes effect with a restart only, and its password too.
func (p *passwords) of(address func(*configs.Config) configs.DSN) func() string {
	return func() string {
		first, now := address(p.first), address(p.now.Load())
		if first != now && first.SameButPassword(now) {
			return now.Password()
		}
		return "" // the one of the start
	}
}

// redis returns the address of the cluster's Redis as it is now, of which only the
// credentials may differ from that of the start.
func (p *passwords) redis() string {
	first, now := p.first.Cluster.RedisURL.Reveal(), p.now.Load().Cluster.RedisURL.Reveal()
	if sameRedis(first, now) {
		return now
	}
	return first
}

// sameRedis reports whether two addresses of Redis differ in user and password at most. With
// Sentinel (master_name) these are the ones of the Redis servers, username and password in
// the query: a change of Sentinel's own takes a restart.
func sameRedis(a, b string) bool {
	rest := func(address string) (string, bool) {
		u, err := url.Parse(address)
		if err != nil {
			return "", false
		}
		if q := u.Query(); q.Has("master_name") {
			q.Del("username")
			q.Del("password")
			u.RawQuery = q.Encode()
		} else {
			u.User = nil
		}
		return u.String(), true
	}
	restA, readA := rest(a)
	restB, readB := rest(b)
	return a == b || readA && readB && restA == restB
}

// anonKey returns the project's anon key as it is now.
func (p *passwords) anonKey() string { return p.now.Load().Send.AnonKey.Reveal() }

func sourceURL(cfg *configs.Config) configs.DSN { return cfg.Source.Postgres.URL }

func outboxURL(cfg *configs.Config) configs.DSN { return cfg.Send.Outbox.URL }
