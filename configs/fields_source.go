package configs

import "time"

func (c *Config) sourceFields() []*field {
	pg, rt := &c.Source.Postgres, &c.Source.Realtime
	kind := []*field{{key: "source.kind", def: KindPostgres, kind: choice(&c.Source.Kind, KindPostgres, KindRealtime)}}
	postgres := section("source.postgres",
		&field{key: "url", aliases: []string{"DATABASE_URL", "SUPABASE_DB_URL"}, kind: dsn(&pg.URL)},
		&field{key: "publication", def: "bridge", kind: text(&pg.Publication, "a publication's name, at most 63 bytes", matches(identifier))},
		&field{key: "slot", def: "bridge", kind: text(&pg.Slot, "a slot's name: a to z, 0 to 9 and _, at most 63 of them", matches(slotName))},
		&field{key: "max_lag", def: "1GiB", kind: size(&pg.MaxLag, 1<<20, 1<<50)},
		&field{key: "create", def: CreateAuto, kind: choice(&pg.Create, CreateAuto, CreateNever)},
		&field{key: "connect_timeout", def: "10s", kind: duration(&pg.ConnectTimeout, 100*time.Millisecond, 5*time.Minute)},
		&field{key: "ping_interval", def: "5s", kind: duration(&pg.PingInterval, 100*time.Millisecond, 5*time.Minute)},
		&field{key: "watch_interval", def: "10s", kind: duration(&pg.WatchInterval, 100*time.Millisecond, 5*time.Minute)},
	)
	realtime := section("source.realtime",
		&field{key: "url", aliases: []string{"SUPABASE_URL"}, kind: text(&rt.URL, "the project's address, such as https://abcdefgh.supabase.co", optional(baseURL))},
		&field{key: "key", aliases: []string{"SUPABASE_SERVICE_ROLE_KEY"}, kind: secret(&rt.Key, "the project's service_role or sb_secret_ key")},
		&field{key: "reconcile_interval", def: "30s", kind: duration(&rt.ReconcileInterval, time.Second, time.Hour)},
		&field{key: "window", def: "24h", kind: duration(&rt.Window, time.Minute, 7*24*time.Hour)},
	)
	return append(append(kind, postgres...), realtime...)
}

func (c *Config) authFields() []*field {
	a := &c.Auth
	const names = "one or more names, in a list or separated by commas"
	auth := section("auth",
		&field{key: "chatengine_secret", aliases: []string{"CHATENGINE_JWT_SECRET"}, kind: secrets(&a.ChatEngineSecrets, "one or more secrets, in a list or separated by commas")},
		&field{key: "supabase_secret", aliases: []string{"SUPABASE_JWT_SECRET"}, kind: secrets(&a.SupabaseSecrets, "one or more secrets, in a list or separated by commas")},
		&field{key: "jwks_url", kind: text(&a.JWKSURL, "an address such as https://abcdefgh.supabase.co/auth/v1/.well-known/jwks.json, or none", optional(jwksURL))},
		&field{key: "issuer", kind: texts(&a.Issuers, names, nonEmpty)},
		&field{key: "audience", kind: texts(&a.Audiences, names, nonEmpty)},
		&field{key: "supabase_issuer", kind: texts(&a.SupabaseIssuers, names, nonEmpty)},
		&field{key: "supabase_audience", def: "authenticated", kind: texts(&a.SupabaseAudiences, names, nonEmpty)},
		&field{key: "leeway", def: "30s", kind: duration(&a.Leeway, 0, 10*time.Minute)},
		&field{key: "on_expiry", def: OnExpiryKeep, kind: choice(&a.OnExpiry, OnExpiryKeep, OnExpiryDisconnect)},
		&field{key: "expiry_grace", def: "60s", kind: duration(&a.ExpiryGrace, 0, 24*time.Hour)},
		&field{key: "allow_query_token", def: "false", kind: boolean(&a.AllowQueryToken)},
	)
	const acceptColumn = "a column's name"
	members := section("auth.members",
		&field{key: "table", def: "workspace_members", kind: text(&a.Members.Table, "a table's name, or schema.table", matches(tableName))},
		&field{key: "user_column", def: "user_id", kind: text(&a.Members.UserColumn, acceptColumn, matches(identifier))},
		&field{key: "workspace_column", def: "workspace_id", kind: text(&a.Members.WorkspaceColumn, acceptColumn, matches(identifier))},
		&field{key: "cache_ttl", def: "60s", kind: duration(&a.Members.CacheTTL, 0, time.Hour)},
	)
	return append(auth, members...)
}

func jwksURL(s string) error {
	if s == none {
		return nil
	}
	return webURL(s)
}
