package bridge

import (
	"sync/atomic"

	"chatbridge/configs"
)

// passwords are those of the databases' roles as they are now: a reload changes them for
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

func sourceURL(cfg *configs.Config) configs.DSN { return cfg.Source.Postgres.URL }

func outboxURL(cfg *configs.Config) configs.DSN { return cfg.Send.Outbox.URL }
