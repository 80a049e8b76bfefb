package dial

import (
	"context"
	"maps"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// closeTimeout bounds Close: the driver waits for the server to close, which on a
// network that is gone never happens.
const closeTimeout = time.Second

// HintIPv6 is the remedy where an address cannot be routed to.
const HintIPv6 = "a direct Supabase address has IPv6 only: give this machine IPv6, or buy the project's IPv4 add-on"

// Settings returns the session's parameters. They apply to replication too
// (measured).
func Settings(application string) map[string]string {
	return map[string]string{
		"application_name":            application,
		"client_encoding":             "UTF8",
		"standard_conforming_strings": "on",
		"datestyle":                   "ISO",
		"timezone":                    "UTC",
		"intervalstyle":               "postgres",
		"extra_float_digits":          "3",
		"bytea_output":                "hex",
		// What we write is ours, and little; see the large object.
		"default_transaction_read_only": "off",
		"synchronous_commit":            "local",
	}
}

// Config reads an address for an ordinary connection. The simple protocol needs
// no prepared statements, which a session pooler in between might lose.
func Config(url, application string) (*pgx.ConnConfig, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	set(cfg.RuntimeParams, Settings(application))
	return cfg, nil
}

// Replication reads an address for a replication connection.
func Replication(url, application string) (*pgconn.Config, error) {
	cfg, err := pgconn.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	set(cfg.RuntimeParams, Settings(application))
	cfg.RuntimeParams["replication"] = "database"
	return cfg, nil
}

// set puts the settings over those of the address, whatever the case of their names:
// the server takes the last of two that differ in it.
func set(params, settings map[string]string) {
	maps.DeleteFunc(params, func(name, _ string) bool {
		_, ours := settings[strings.ToLower(name)]
		return ours
	})
	maps.Copy(params, settings)
}

// Connect opens an ordinary connection within timeout.
func Connect(ctx context.Context, url, application string, timeout time.Duration) (*pgx.Conn, error) {
	cfg, err := Config(url, application)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return pgx.ConnectConfig(ctx, cfg)
}

// Close closes a connection within closeTimeout, also when ctx has ended.
func Close(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	_ = conn.Close(ctx) // it may be closed already
}
