package bridge

import (
	"net/url"
	"sync/atomic"

	"chatbridge/configs"
)

// passwords are those of the databases' roles and of Redis, and the anon key, as they are
// now: a reload changes them for
// the connections that are made from then on. Those that are open stay.
type passwords struct {
	first *configs.Config
	now   atomic.Pointer[configs.Config]
}

func newPasswords(cfg *configs.Config) *passwords {
	p := &passwords{first: cfg}
	p.now.Store(cfg)
	return p
}

// of returns what gives the password of an address. An address that differs from that of
// the start in more is not in use before a restart, and neither is its password.
func (p *passwords) of(address func(*configs.Config) configs.DSN) func() string {
	return func() string {
		first, now := address(p.first), address(p.now.Load())
		if first != now && first.SameButPassword(now) {
			return now.Password()
		}
		return "" // that of the start
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

// sameRedis reports whether two addresses of Redis differ in user and password at most;
// with Sentinel in those of the servers behind it, its own take a restart.
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
