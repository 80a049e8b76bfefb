package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// RedisURL describes the addresses that Redis accepts.
const RedisURL = "redis://[user:password@]host[:6379][/database], rediss:// for TLS; of a Redis Cluster redis://[user:password@]host[:6379][?addr=another:6379&addr=…]; with Sentinel redis://[user:password@]sentinel:26379[/database]?master_name=NAME[&addr=another:26379][&username=…&password=…]"

const dialTimeout = 2 * time.Second

// Connect makes a client. A new client asks Sentinel, or the servers of a Redis Cluster, for
// the present master. It may be called from any goroutine.
type Connect func(ctx context.Context) (redis.UniversalClient, error)

// Client returns how to make a client for an address, see RedisURL.
func Client(address string) (Connect, error) { return client(address, streamPool) }

// streamPool bounds the connections for the stream.
const streamPool = 2

// client is Client with the pool's size; for rotated see Redis.
func client(address string, pool int, rotated ...func() string) (Connect, error) {
	discardLibraryLog()
	at := serverOf(address)
	u, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	if u.Query().Get("master_name") != "" {
		return at.sentinelClient(address, pool, rotated)
	}
	servers, err := newServers(address, pool, rotated)
	if u.Query().Has("addr") {
		switch {
		case err != nil:
			return nil, addressError(err)
		case strings.Trim(u.Path, "/0") != "":
			return nil, errDatabase
		}
		return func(context.Context) (redis.UniversalClient, error) { return servers.client(), nil }, nil
	}
	o, e := redis.ParseURL(address)
	if e != nil {
		return nil, addressError(e)
	}
	o.MaxRetries, o.ContextTimeoutEnabled, o.DisableIdentity = -1, true, true
	o.DialTimeout, o.DialerRetries, o.PoolSize, o.ClientName, o.Protocol = dialTimeout, 1, pool, clientName, 2
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	o.CredentialsProviderContext = credentials(rotated)
	return func(ctx context.Context) (redis.UniversalClient, error) {
		if servers != nil && servers.known() {
			return servers.client(), nil
		}
		c := redis.NewClient(o)
		at.watch(c)
		switch in, e := inCluster(ctx, c); {
		case e == nil && !in:
			return c, nil
		case e == nil && err != nil:
			e = fmt.Errorf("cluster.redis_url is that of a Redis Cluster: %w", err)
			fallthrough
		case e != nil:
			_ = c.Close()
			return nil, e
		case o.DB != 0:
			_ = c.Close()
			return nil, errDatabase
		}
		_ = c.Close()
		return servers.client(), nil
	}, nil
}

// encode is the remedy for most addresses that are none: a random password has such characters.
const encode = "write % / ? # @ : and spaces of a user's name or password as %25 %2F %3F %23 %40 %3A %20; accepted: "

// parseAddress parses an address. An unescaped character of the password makes the rest of it
// path, query or fragment: such an address is refused here, before an error repeats a part of it.
func parseAddress(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Fragment != "" || strings.Contains(u.Path, "@") ||
		strings.Contains(u.RawQuery, "@") && u.Query().Get("master_name") == "" {
		return nil, &remedied{"cluster.redis_url is no address", encode + RedisURL} // err repeats it
	}
	return u, nil
}

// addressError is an error of the library about an address.
func addressError(err error) error {
	return &remedied{"cluster.redis_url: " + strings.TrimPrefix(err.Error(), "redis: "), "accepted: " + RedisURL}
}

// errDatabase: a Redis Cluster has only database 0.
var errDatabase = &remedied{"cluster.redis_url names a database, and a Redis Cluster has only number 0", "leave the number after the / out"}

func (s server) sentinelClient(address string, pool int, rotated []func() string) (Connect, error) {
	o, err := redis.ParseFailoverURL(address)
	if err != nil {
		return nil, addressError(err)
	}
	o.MaxRetries, o.ContextTimeoutEnabled, o.DisableIdentity = -1, true, true
	o.DialTimeout, o.DialerRetries, o.PoolSize, o.ClientName, o.Protocol = dialTimeout, 1, pool, clientName, 2
	o.CredentialsProviderContext = credentials(rotated)
	return func(context.Context) (redis.UniversalClient, error) {
		c := redis.NewFailoverClient(o)
		s.watch(c)
		return c, nil
	}, nil
}

// credentials returns the present user and password; nil if the address never changes.
func credentials(rotated []func() string) func(context.Context) (string, string, error) {
	if len(rotated) == 0 {
		return nil
	}
	return func(context.Context) (string, string, error) {
		u, err := url.Parse(rotated[0]())
		if err != nil {
			return "", "", errRotated
		}
		user, password := credentialsOf(u)
		return user, password, nil
	}
}

// credentialsOf returns an address' credentials; with Sentinel those of the servers behind it.
func credentialsOf(u *url.URL) (user, password string) {
	if q := u.Query(); q.Get("master_name") != "" {
		return q.Get("username"), q.Get("password")
	}
	password, _ = u.User.Password()
	return u.User.Username(), password
}

// errRotated omits the address, which has a password.
var errRotated = &remedied{"cluster.redis_url is no address any more", "correct it, and reload: " + RedisURL}

// inCluster asks a server whether it belongs to a Redis Cluster. No answer counts as no.
func inCluster(ctx context.Context, c *redis.Client) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })() // it ignores ctx while it reads
	info, err := c.Info(ctx, "cluster").Result()
	if reply := redis.Error(nil); err != nil && !errors.As(err, &reply) {
		return false, fmt.Errorf("connect to Redis: %w", err)
	}
	return strings.Contains(info, "cluster_enabled:1"), nil
}

// Owner returns the server that has the keys of the cluster of that name: of a Redis
// Cluster, the master of their slot.
func Owner(ctx context.Context, c redis.UniversalClient, name string) (redis.UniversalClient, error) {
	if all, ok := c.(*clusterClient); ok {
		return all.owner(ctx, prefixOf(name))
	}
	return c, nil
}

// discardLibraryLog keeps the library from logging to standard error: it returns the same
// errors. It is done once.
var discardLibraryLog = sync.OnceFunc(func() { redis.SetLogger(discardLogger{}) })

type discardLogger struct{}

// Printf implements the library's logger.
func (discardLogger) Printf(context.Context, string, ...any) {}
