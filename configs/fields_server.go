package configs

import "time"

const (
	acceptAddress = "host:port, or :port for every address"
	acceptPath    = "the path of a file"
)

func (c *Config) serverFields() []*field {
	top := []*field{
		{key: "listen", def: ":8080", aliases: []string{"PORT"}, kind: text(&c.Listen, acceptAddress, address)},
		{key: "path", def: "/api/ws", kind: text(&c.Path, "a path such as /api/ws", urlPath)},
	}
	top = append(top, section("tls",
		&field{key: "cert_file", kind: text(&c.TLS.CertFile, acceptPath)},
		&field{key: "key_file", kind: text(&c.TLS.KeyFile, acceptPath)})...)
	top = append(top, section("admin",
		&field{key: "listen", def: "127.0.0.1:9090", emptyEnv: true, kind: text(&c.Admin.Listen, acceptAddress+", or nothing to turn it off", optional(address))})...)
	top = append(top, section("cors",
		&field{key: "origins", kind: texts(&c.CORS.Origins, "a list of origins such as https://app.example.com, https://*.example.app, http://localhost:*, or *", origin)})...)
	top = append(top, section("allow",
		&field{key: "addresses", kind: prefixes(&c.Allow.Addresses)})...)
	top = append(top, section("proxies",
		&field{key: "trusted", kind: prefixes(&c.Proxies.Trusted)})...)
	return append(top, section("ping",
		&field{key: "interval", def: "25s", kind: duration(&c.Ping.Interval, 100*time.Millisecond, time.Hour)},
		&field{key: "timeout", def: "20s", kind: duration(&c.Ping.Timeout, 100*time.Millisecond, time.Hour)})...)
}

func (c *Config) limitFields() []*field {
	const million = 1_000_000
	l := &c.Limits
	return section("limits",
		&field{key: "connections", def: "20000", kind: integer(&l.Connections, 0, million)},
		&field{key: "connections_per_address", def: "5000", kind: integer(&l.ConnectionsPerAddress, 0, million)},
		&field{key: "handshakes_per_second", def: "5000", kind: integer(&l.HandshakesPerSecond, 0, million)},
		&field{key: "packets_per_second", def: "1000", kind: integer(&l.PacketsPerSecond, 0, million)},
		&field{key: "payload", def: "1MB", kind: size(&l.Payload, 1<<10, 1<<30)},
		&field{key: "attachments", def: "10", kind: integer(&l.Attachments, 1, 1000)},
		&field{key: "subscriptions", def: "1000", kind: integer(&l.Subscriptions, 1, million)},
		&field{key: "event", def: "17MiB", kind: size(&l.Event, 16<<10, 1<<30)},
		&field{key: "queue_packets", def: "4096", kind: integer(&l.QueuePackets, 16, million)},
		&field{key: "queue_bytes", def: "8MiB", kind: size(&l.QueueBytes, 64<<10, 1<<30)},
		&field{key: "write_timeout", def: "10s", kind: duration(&l.WriteTimeout, 100*time.Millisecond, 10*time.Minute)},
		&field{key: "connect_timeout", def: "45s", kind: duration(&l.ConnectTimeout, 100*time.Millisecond, 10*time.Minute)},
	)
}
