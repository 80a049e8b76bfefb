package configs

import "time"

// field is one setting: its key, its default as the YAML file would have it,
// its kind.
type field struct {
	key string
	def string
	// aliases are environment variables read besides BRIDGE_…, the first the
	// strongest.
	aliases []string
	// emptyEnv makes an empty environment variable a value. Elsewhere it
	// counts as not set, because that is what `NAME=${NAME:-}` in a compose
	// file means.
	emptyEnv bool
	kind
}

// What several settings accept.
const (
	acceptAddress = "host:port, or :port for every address"
	acceptPath    = "the path of a file"
	acceptNames   = "one or more names, in a list or separated by commas"
	acceptSecrets = "one or more secrets, in a list or separated by commas"
	acceptColumn  = "a column's name"
	acceptTable   = "a table's name, or schema.table"

	acceptMembers     = "a list of name=value, the value one of client_id, workspace, conversation, user, content, reply_to, or a text in single quotes"
	acceptAssignments = "a list of name=value, the value one of id, client_id, workspace, conversation, user, content, reply_to, or a text in single quotes"
)

const (
	ms      = time.Millisecond
	million = 1_000_000
)

// settings returns every setting, bound to c, in the order of bridge.yaml.
func (c *Config) settings() []*field {
	l, w, pg, rt, a, g := &c.Limits, &c.Limits.Workspace, &c.Source.Postgres, &c.Source.Realtime, &c.Auth, &c.Gateway
	fn, ob := &c.Send.Function, &c.Send.Outbox
	return []*field{
		{key: "listen", def: ":8080", aliases: []string{"PORT"}, kind: text(&c.Listen, acceptAddress, address)},
		{key: "path", def: "/api/ws", kind: text(&c.Path, "a path such as /api/ws", urlPath)},
		{key: "tls.cert_file", kind: text(&c.TLS.CertFile, acceptPath)},
		{key: "tls.key_file", kind: text(&c.TLS.KeyFile, acceptPath)},
		{key: "admin.listen", def: "127.0.0.1:9090", emptyEnv: true, kind: text(&c.Admin.Listen, acceptAddress+", or nothing to turn it off", optional(address))},
		{key: "admin.token", kind: headerSecret(&c.Admin.Token, "a token of your own in printable ASCII without spaces at its ends, such as `openssl rand -hex 32` prints")},
		{key: "cors.origins", kind: texts(&c.CORS.Origins, "a list of origins such as https://app.example.com, https://*.example.app, http://localhost:*, or *", origin)},
		{key: "allow.addresses", kind: prefixes(&c.Allow.Addresses)},
		{key: "proxies.trusted", kind: prefixes(&c.Proxies.Trusted)},
		{key: "ping.interval", def: "25s", kind: duration(&c.Ping.Interval, 100*ms, time.Hour)},
		{key: "ping.timeout", def: "20s", kind: duration(&c.Ping.Timeout, 100*ms, time.Hour)},

		{key: "limits.connections", def: "20000", kind: limit(&l.Connections, million)},
		{key: "limits.connections_per_address", def: "5000", kind: limit(&l.ConnectionsPerAddress, million)},
		{key: "limits.unauthenticated", def: "5000", kind: limit(&l.Unauthenticated, million)},
		{key: "limits.unauthenticated_per_address", def: "2500", kind: limit(&l.UnauthenticatedPerAddress, million)},
		{key: "limits.handshakes_per_second", def: "5000", kind: limit(&l.HandshakesPerSecond, million)},
		{key: "limits.handshakes_per_address", def: "2500", kind: limit(&l.HandshakesPerAddress, million)},
		{key: "limits.requests_per_address", def: "2500", kind: limit(&l.RequestsPerAddress, million)},
		{key: "limits.packets_per_second", def: "1000", kind: limit(&l.PacketsPerSecond, million)},
		{key: "limits.payload", def: "1MB", kind: size(&l.Payload, 1<<10, 1<<30)},
		{key: "limits.attachments", def: "0", kind: integer(&l.Attachments, 0, 1000)},
		{key: "limits.subscriptions", def: "1000", kind: integer(&l.Subscriptions, 1, million)},
		{key: "limits.session_bytes", def: "256MiB", kind: size(&l.SessionBytes, 1<<20, 1<<40)},
		{key: "limits.workspace.clients", def: "0", kind: limit(&w.Clients, million)},
		{key: "limits.workspace.subscriptions", def: "0", kind: limit(&w.Subscriptions, 100*million)},
		{key: "limits.workspace.replay_events", def: "0", kind: limit(&w.ReplayEvents, 100*million)},
		{key: "limits.workspace.replay_bytes", def: "0", kind: size(&w.ReplayBytes, 0, 1<<40)},
		{key: "limits.workspace.catch_up", def: "0", kind: size(&w.CatchUp, 0, 1<<40)},
		{key: "limits.workspace.pause", def: "30s", kind: duration(&w.Pause, 0, 30*time.Second)},
		{key: "limits.event", def: "17MiB", kind: size(&l.Event, 16<<10, 1<<30)},
		{key: "limits.queue_packets", def: "4096", kind: integer(&l.QueuePackets, 16, million)},
		{key: "limits.queue_bytes", def: "8MiB", kind: size(&l.QueueBytes, 64<<10, 1<<30)},
		{key: "limits.write_timeout", def: "10s", kind: duration(&l.WriteTimeout, 100*ms, 10*time.Minute)},
		{key: "limits.connect_timeout", def: "45s", kind: duration(&l.ConnectTimeout, 100*ms, 10*time.Minute)},

		{key: "source.kind", def: KindPostgres, kind: choice(&c.Source.Kind, KindPostgres, KindRealtime)},
		{key: "source.postgres.url", aliases: []string{"DATABASE_URL", "SUPABASE_DB_URL"}, kind: dsn(&pg.URL)},
		{key: "source.postgres.publication", def: "bridge", kind: text(&pg.Publication, "a publication's name, at most 63 bytes", matches(identifier))},
		{key: "source.postgres.slot", def: "bridge", kind: text(&pg.Slot, "a slot's name: a to z, 0 to 9 and _, at most 63 of them", matches(slotName))},
		{key: "source.postgres.exclusive", def: "false", kind: boolean(&pg.Exclusive)},
		{key: "source.postgres.max_lag", def: "1GiB", kind: size(&pg.MaxLag, 1<<20, 1<<50)},
		{key: "source.postgres.create", def: CreateAuto, kind: choice(&pg.Create, CreateAuto, CreateNever)},
		{key: "source.postgres.failover_slot", def: FailoverAuto, kind: choice(&pg.FailoverSlot, FailoverAuto, FailoverOff)},
		{key: "source.postgres.connect_timeout", def: "10s", kind: duration(&pg.ConnectTimeout, 100*ms, 5*time.Minute)},
		{key: "source.postgres.ping_interval", def: "5s", kind: duration(&pg.PingInterval, 100*ms, 5*time.Minute)},
		{key: "source.postgres.watch_interval", def: "10s", kind: duration(&pg.WatchInterval, 100*ms, 5*time.Minute)},
		{key: "source.realtime.url", aliases: []string{"SUPABASE_URL"}, kind: text(&rt.URL, "the project's address, such as https://abcdefgh.supabase.co", optional(projectURL))},
		{key: "source.realtime.key", aliases: []string{"SUPABASE_SERVICE_ROLE_KEY"}, kind: secret(&rt.Key, acceptedServiceKey)},
		{key: "source.realtime.reconcile_interval", def: "30s", kind: duration(&rt.ReconcileInterval, time.Second, time.Hour)},
		{key: "source.realtime.window", def: "24h", kind: duration(&rt.Window, time.Minute, 7*24*time.Hour)},

		{key: "auth.chatengine_secret", aliases: []string{"CHATENGINE_JWT_SECRET"}, kind: secrets(&a.ChatEngineSecrets, acceptSecrets)},
		{key: "auth.supabase_secret", aliases: []string{"SUPABASE_JWT_SECRET"}, kind: secrets(&a.SupabaseSecrets, acceptSecrets)},
		{key: "auth.jwks_url", kind: text(&a.JWKSURL, "an address such as https://abcdefgh.supabase.co/auth/v1/.well-known/jwks.json, or none", optional(jwksURL))},
		{key: "auth.issuer", kind: texts(&a.Issuers, acceptNames, nonEmpty)},
		{key: "auth.audience", kind: texts(&a.Audiences, acceptNames, nonEmpty)},
		{key: "auth.supabase_issuer", kind: texts(&a.SupabaseIssuers, acceptNames, nonEmpty)},
		{key: "auth.supabase_audience", def: "authenticated", kind: texts(&a.SupabaseAudiences, acceptNames, nonEmpty)},
		{key: "auth.leeway", def: "30s", kind: duration(&a.Leeway, 0, 10*time.Minute)},
		{key: "auth.on_expiry", def: OnExpiryKeep, kind: choice(&a.OnExpiry, OnExpiryKeep, OnExpiryDisconnect)},
		{key: "auth.expiry_grace", def: "60s", kind: duration(&a.ExpiryGrace, 0, 24*time.Hour)},
		{key: "auth.allow_query_token", def: "false", kind: boolean(&a.AllowQueryToken)},
		{key: "auth.members.table", def: "workspace_members", kind: text(&a.Members.Table, acceptTable, matches(tableName))},
		{key: "auth.members.user_column", def: "user_id", kind: text(&a.Members.UserColumn, acceptColumn, matches(identifier))},
		{key: "auth.members.workspace_column", def: "workspace_id", kind: text(&a.Members.WorkspaceColumn, acceptColumn, matches(identifier))},
		{key: "auth.members.cache_ttl", def: "60s", kind: duration(&a.Members.CacheTTL, 0, time.Hour)},

		{key: "mapping.preset", def: "crm", kind: choice(&c.Mapping.Preset, "crm", "chatengine", "chatwoot", "evolution")},
		{key: "mapping.file", kind: text(&c.Mapping.File, acceptPath)},
		{key: "lookup.url", kind: dsn(&c.Lookup.URL)},
		{key: "lookup.timeout", def: "500ms", kind: duration(&c.Lookup.Timeout, 10*ms, 30*time.Second)},
		{key: "lookup.entries", def: "100000", kind: integer(&c.Lookup.Entries, 100, 100*million)},
		{key: "lookup.bytes", def: "64MiB", kind: size(&c.Lookup.Bytes, 1<<20, 1<<40)},
		{key: "replay.window", def: "60s", kind: duration(&c.Replay.Window, 0, time.Hour)},
		{key: "replay.far", def: "24h", kind: duration(&c.Replay.Far, 0, 30*24*time.Hour)},
		{key: "replay.far_rows", def: "5000", kind: integer(&c.Replay.FarRows, 1, 100_000)},
		{key: "replay.max_events", def: "250000", kind: integer(&c.Replay.MaxEvents, 1, 100*million)},
		{key: "replay.max_bytes", def: "128MiB", kind: size(&c.Replay.MaxBytes, 1<<20, 1<<40)},
		{key: "replay.message_ids", def: MessageIDsAuto, kind: choice(&c.Replay.MessageIDs, MessageIDsAuto, MessageIDsRow, MessageIDsProvider)},
		{key: "replay.state_file", kind: text(&c.Replay.StateFile, acceptPath+", or none")},
		{key: "ledger.file", kind: text(&c.Ledger.File, acceptPath+", or none")},

		{key: "gateway.upstream", aliases: []string{"CHATENGINE_URL"}, kind: text(&g.Upstream, "ChatEngine's address, such as http://127.0.0.1:3000", optional(baseURL))},
		{key: "gateway.health_path", kind: text(&g.HealthPath, "a path such as /health, or nothing to ask the Socket.IO server itself", optional(requestPath))},
		{key: "gateway.interval", def: "1s", kind: duration(&g.Interval, 50*ms, 5*time.Minute)},
		{key: "gateway.timeout", def: "2s", kind: duration(&g.Timeout, 50*ms, time.Minute)},
		{key: "gateway.fail_after", def: "3", kind: integer(&g.FailAfter, 1, 100)},
		{key: "gateway.recover_after", def: "10s", kind: duration(&g.RecoverAfter, 100*ms, time.Hour)},
		{key: "gateway.handback_batch", def: "25", kind: integer(&g.HandbackBatch, 1, 100_000)},
		{key: "gateway.handback_interval", def: "500ms", kind: duration(&g.HandbackInterval, 10*ms, time.Minute)},
		{key: "gateway.hold", def: HoldAuto, kind: choice(&g.Hold, HoldAuto, HoldLocal, HoldUpstream)},

		{key: "rest.enabled", def: "false", kind: boolean(&c.REST.Enabled)},
		{key: "send.mode", def: SendRefuse, kind: choice(&c.Send.Mode, SendRefuse, SendFunction, SendOutbox)},
		{key: "send.anon_key", aliases: []string{"SUPABASE_ANON_KEY"}, kind: secret(&c.Send.AnonKey, "the project's anon or sb_publishable_ key")},
		{key: "send.state_file", kind: text(&c.Send.StateFile, acceptPath+", or none")},
		{key: "send.timeout", def: "30s", kind: duration(&c.Send.Timeout, time.Second, 5*time.Minute)},
		{key: "send.per_minute", def: "60", kind: limit(&c.Send.PerMinute, 100_000)},
		{key: "send.function.url", kind: text(&fn.URL, "the project's address, such as https://abcdefgh.supabase.co", optional(functionsURL))},
		{key: "send.function.name", def: "whatsapp-send", kind: text(&fn.Name, "a function's name", matches(functionName))},
		{key: "send.function.body", def: "conversationId=conversation,message=content,clientMessageId=client_id,replyToId=reply_to", kind: texts(&fn.Body, acceptMembers, member)},
		{key: "send.function.read", kind: text(&fn.Read, "a function's name, or nothing", optional(matches(functionName)))},
		{key: "send.function.proxy", kind: text(&fn.Proxy, "a proxy's address, such as http://proxy.example:3128, or nothing", optional(webURL))},
		{key: "send.outbox.url", kind: dsn(&ob.URL)},
		{key: "send.outbox.messages", def: "public.messages", kind: text(&ob.Messages, acceptTable, matches(tableName))},
		{key: "send.outbox.message", def: "id=id,workspace_id=workspace,conversation_id=conversation,client_id=client_id,body=content,reply_to_id=reply_to,sent_by_user_id=user,type='text',status='sending',is_outgoing='true'", kind: texts(&ob.Message, acceptAssignments, assignment)},
		{key: "send.outbox.table", def: "public.chat_outbox", kind: text(&ob.Table, acceptTable, matches(tableName))},
		{key: "send.outbox.columns", def: "message_id=id,workspace_id=workspace,conversation_id=conversation,client_id=client_id,user_id=user,body=content", kind: texts(&ob.Columns, acceptAssignments, assignment)},
		{key: "send.outbox.channel", def: "chat_outbox", kind: text(&ob.Channel, "a channel's name, at most 63 bytes, or none", matches(identifier))},
		{key: "send.outbox.read", kind: text(&ob.Read, "a statement with $1 for the conversation, $2 for the workspace and $3 for the user, or nothing", optional(readStatement))},
		{key: "spool.dir", kind: text(&c.Spool.Dir, "a directory of the bridge's own, or nothing to keep no webhooks", optional(absolutePath))},
		{key: "spool.paths", def: "/api/webhooks/whatsapp", kind: texts(&c.Spool.Paths, "a list of paths such as /api/webhooks/whatsapp", urlPath)},
		{key: "spool.addresses", kind: prefixes(&c.Spool.Addresses)},
		{key: "spool.rate", def: "60", kind: limit(&c.Spool.Rate, million)},
		{key: "spool.max_bytes", def: "1GiB", kind: size(&c.Spool.MaxBytes, 1<<20, 1<<40)},
		{key: "spool.max_age", def: "72h", kind: duration(&c.Spool.MaxAge, time.Minute, 90*24*time.Hour)},
		{key: "spool.max_body", def: "16MiB", kind: size(&c.Spool.MaxBody, 1<<10, 1<<28)},
		{key: "spool.body_timeout", def: "20s", kind: duration(&c.Spool.BodyTimeout, 100*ms, 10*time.Minute)},
		{key: "spool.timeout", def: "30s", kind: duration(&c.Spool.Timeout, 100*ms, 10*time.Minute)},

		{key: "health.grace", def: "30s", kind: duration(&c.Health.Grace, 0, time.Hour)},
		{key: "shutdown.grace", def: "8s", kind: duration(&c.Shutdown.Grace, 100*ms, 10*time.Minute)},
		{key: "cluster.redis_url", aliases: []string{"REDIS_URL"}, kind: secret(&c.Cluster.RedisURL, "Redis' address, such as redis://:password@127.0.0.1:6379")},
		{key: "cluster.name", kind: text(&c.Cluster.Name, "a name of at most 63 of a to z, 0 to 9 and _, or nothing", optional(matches(slotName)))},
		{key: "cluster.role", def: RoleAuto, kind: choice(&c.Cluster.Role, RoleAuto, RoleEdge)},
		{key: "cluster.advertise", kind: text(&c.Cluster.Advertise, "this bridge's address for the other ones, such as http://10.0.0.5:8080, or nothing", optional(hostURL))},
		{key: "otel.endpoint", kind: text(&c.OTel.Endpoint, "a collector's address for OTLP over HTTP, such as http://127.0.0.1:4318, or nothing", optional(collectorURL))},
		{key: "log.level", def: "info", kind: level(&c.Log.Level)},
		{key: "log.format", def: "auto", kind: choice(&c.Log.Format, "auto", "text", "json")},
	}
}
