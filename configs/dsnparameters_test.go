package configs_test

import (
	"strings"
	"testing"

	"chatbridge/configs"

	"github.com/jackc/pgx/v5"
)

// Addresses as other programs have them, and what the driver gets of each.
func TestParametersOfOtherLibraries(t *testing.T) {
	t.Parallel()
	const url = "postgres://u:p@h:5432/db"
	for address, want := range map[string]struct{ address, dropped string }{
		url: {url, ""},
		url + "?sslmode=require&connect_timeout=10&application_name=x": {url + "?sslmode=require&connect_timeout=10&application_name=x", ""},
		// Prisma on Supabase.
		url + "?pgbouncer=true&connection_limit=1&schema=public":               {url, "pgbouncer (Prisma), connection_limit (Prisma), schema (Prisma)"},
		url + "?schema=public&sslmode=require&pool_timeout=0&sslaccept=strict": {url + "?sslmode=require", "schema (Prisma), pool_timeout (Prisma), sslaccept (Prisma)"},
		// libpq's own.
		url + "?keepalives=1&keepalives_idle=30&keepalives_interval=5&keepalives_count=3&tcp_user_timeout=1": {
			url, "keepalives (libpq), keepalives_idle (libpq), keepalives_interval (libpq), keepalives_count (libpq), tcp_user_timeout (libpq)",
		},
		url + "?sslmode=verify-full&channel_binding=require&gssencmode=disable": {url + "?sslmode=verify-full&channel_binding=require", "gssencmode (libpq)"},
		// node-postgres.
		url + "?uselibpqcompat=true&sslmode=require": {url + "?sslmode=require", "uselibpqcompat (node-postgres)"},
		url + "?sslmode=no-verify":                   {url + "?sslmode=require", ""},
		url + "?ssl=true":                            {url + "?ssl=true", ""},
		url + "?ssl=1&max=5&connectionTimeoutMillis=1": {
			url, "ssl (node-postgres), max (node-postgres), connectionTimeoutMillis (node-postgres)",
		},
		// Supabase's integration with Vercel; a pool's settings.
		url + "?sslmode=require&supa=base-pooler.x": {url + "?sslmode=require", "supa (Vercel)"},
		url + "?pool_max_conns=3":                   {url, "pool_max_conns (pgx)"},
		// Settings of Postgres, extensions' too, whatever their case.
		url + "?statement_timeout=1s&TimeZone=UTC&my.key=1&options=-c%20jit%3Doff&enable_seqscan=off": {
			url + "?statement_timeout=1s&TimeZone=UTC&my.key=1&options=-c%20jit%3Doff&enable_seqscan=off", "",
		},
		// Keywords.
		`host=h user=u password='a b\'c' dbname=db keepalives=1 sslmode = require`: {`host=h user=u password='a b\'c' dbname=db sslmode = require`, "keepalives (libpq)"},
		`host=h password=a\ b schema=public`:                                       {`host=h password=a\ b`, "schema (Prisma)"},
		`host=h password='' `:                                                      {`host=h password='' `, ""},
	} {
		c, err := configs.Load(configs.Sources{Env: []string{"DATABASE_URL=" + address}})
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		got := c.Source.Postgres.URL.Reveal()
		if got != want.address {
			t.Errorf("%s\n is %s\nwant %s", address, got, want.address)
		}
		parsed, err := pgx.ParseConfig(got)
		if err != nil {
			t.Errorf("%s: the driver refuses it: %v", address, err)
			continue
		}
		for name := range parsed.RuntimeParams {
			if strings.Contains(want.dropped, name+" (") {
				t.Errorf("%s: the server gets %s", address, name)
			}
		}
		warnings := strings.Join(c.Warnings(), "\n")
		if (want.dropped != "") != strings.Contains(warnings, "is done: "+want.dropped) || want.dropped == "" && warnings != "" {
			t.Errorf("%s: warnings %q, want %q", address, warnings, want.dropped)
		}
	}
}

// What nobody knows is an error that names the nearest known parameter, and shows no
// piece of a password.
func TestMisspeltParameters(t *testing.T) {
	t.Parallel()
	const url = "postgres://u:p@h:5432/db"
	for address, want := range map[string]string{
		url + "?sslmod=require":                                    `"sslmod", which neither the driver nor Postgres knows; did you mean sslmode?`,
		url + "?shema=public":                                      `did you mean schema?`,
		url + "?keepalive_idle=1":                                  `did you mean keepalives_idle?`,
		url + "?statment_timeout=1":                                `did you mean statement_timeout?`,
		url + "?conection_limit=1":                                 `did you mean connection_limit?`,
		url + "?sslmode=require&something=1":                       `"something"`,
		url + "?SSLMODE=require":                                   `did you mean sslmode?`,
		url + "?hostaddr=10.0.0.1":                                 `put the address into host`,
		url + "?sslmode":                                           `percent-encoded`,
		"postgres://u:1?topsecret=x&b@h/db":                        `percent-encoded`,
		"postgres://h/db?topsecret=x":                              `a parameter, the 1. one`,
		"host=h password=a topsecret dbname=db":                    `cannot be read`,
		"host=h password=a topsecret=1 dbname=db":                  `a parameter, the 3. one`,
		"host=h pasword=topsecret":                                 `did you mean password?`,
		"host=h password='topsecret":                               `cannot be read`,
		"postgres://u:topsecret@h/db?sslmode=bogus":                `cannot be used: failed to configure TLS (sslmode is invalid)`,
		"postgres://u:topsecret@h/db?target_session_attrs=primari": `unknown target_session_attrs value: primari`,
		"postgres://u:topsecret@h/db?connect_timeout=soon":         `invalid connect_timeout`,
		"postgres://u:topsecret@h/db?sslcert=a.pem":                `both "sslcert" and "sslkey" are required`,
		"host=h password=topsecret channel_binding=yes":            `unknown channel_binding value: yes`,
	} {
		_, err := configs.Load(configs.Sources{Env: []string{"DATABASE_URL=" + address}})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "; accepted: ") {
			t.Errorf("%s: %v, want %s", address, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%s: shows a piece of the password: %v", address, err)
		}
	}
}
