package configs

import "time"

func (c *Config) eventFields() []*field {
	mapping := section("mapping",
		&field{key: "preset", def: "crm", kind: choice(&c.Mapping.Preset, "crm", "chatengine")},
		&field{key: "file", kind: text(&c.Mapping.File, acceptPath)},
	)
	lookup := section("lookup",
		&field{key: "url", kind: dsn(&c.Lookup.URL)},
		&field{key: "timeout", def: "500ms", kind: duration(&c.Lookup.Timeout, 10*time.Millisecond, 30*time.Second)},
		&field{key: "entries", def: "100000", kind: integer(&c.Lookup.Entries, 100, 100_000_000)},
		&field{key: "bytes", def: "64MiB", kind: size(&c.Lookup.Bytes, 1<<20, 1<<40)},
	)
	replay := section("replay",
		&field{key: "window", def: "60s", kind: duration(&c.Replay.Window, 0, time.Hour)},
		&field{key: "max_events", def: "250000", kind: integer(&c.Replay.MaxEvents, 1, 100_000_000)},
		&field{key: "max_bytes", def: "128MiB", kind: size(&c.Replay.MaxBytes, 1<<20, 1<<40)},
		&field{key: "state_file", kind: text(&c.Replay.StateFile, acceptPath+", or none")},
	)
	return append(append(mapping, lookup...), replay...)
}

func (c *Config) operationFields() []*field {
	g := &c.Gateway
	gateway := section("gateway",
		&field{key: "upstream", aliases: []string{"CHATENGINE_URL"}, kind: text(&g.Upstream, "ChatEngine's address, such as http://127.0.0.1:3000", optional(baseURL))},
		&field{key: "health_path", kind: text(&g.HealthPath, "a path such as /health, or nothing to ask the Socket.IO server itself", optional(requestPath))},
		&field{key: "interval", def: "1s", kind: duration(&g.Interval, 50*time.Millisecond, 5*time.Minute)},
		&field{key: "timeout", def: "2s", kind: duration(&g.Timeout, 50*time.Millisecond, time.Minute)},
		&field{key: "fail_after", def: "3", kind: integer(&g.FailAfter, 1, 100)},
		&field{key: "recover_after", def: "10s", kind: duration(&g.RecoverAfter, 100*time.Millisecond, time.Hour)},
		&field{key: "handback_batch", def: "25", kind: integer(&g.HandbackBatch, 1, 100_000)},
		&field{key: "handback_interval", def: "500ms", kind: duration(&g.HandbackInterval, 10*time.Millisecond, time.Minute)},
		&field{key: "hold", def: HoldAuto, kind: choice(&g.Hold, HoldAuto, HoldLocal, HoldUpstream)},
	)
	health := section("health",
		&field{key: "grace", def: "30s", kind: duration(&c.Health.Grace, 0, time.Hour)})
	shutdown := section("shutdown",
		&field{key: "grace", def: "8s", kind: duration(&c.Shutdown.Grace, 100*time.Millisecond, 10*time.Minute)})
	cluster := section("cluster",
		&field{key: "redis_url", aliases: []string{"REDIS_URL"}, kind: secret(&c.redisURL, "nothing")})
	log := section("log",
		&field{key: "level", def: "info", kind: level(&c.Log.Level)},
		&field{key: "format", def: "auto", kind: choice(&c.Log.Format, "auto", "text", "json")})
	return append(append(append(append(gateway, health...), shutdown...), cluster...), log...)
}
