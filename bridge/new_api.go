package bridge

import (
	"fmt"
	"log/slog"
	"time"

	"chatbridge/bridge/access"
	"chatbridge/bridge/api"
	"chatbridge/bridge/auth"
	"chatbridge/bridge/far"
	"chatbridge/bridge/gateway"
	"chatbridge/bridge/hub"
	"chatbridge/bridge/pipeline"
	"chatbridge/bridge/replay"
	"chatbridge/bridge/send"
	"chatbridge/configs"
	"chatbridge/socketio"
	"chatbridge/socketio/engineio"
)

// apiParts is what the server of /api/ws is made of, besides the configuration.
type apiParts struct {
	auth          *auth.Authenticator
	membership    *membership // nil where nobody is admitted by a membership
	tables        *far.Reader // nil where clients are not caught up from the tables
	left          func(pid string) time.Time
	conversations api.Conversations
	sender        *send.Sender
	source        sourceState
	cluster       *clusterSource // nil where the bridge is alone
}

// newAPI returns the server of the contract's /api/ws.
func newAPI(cfg *configs.Config, parts apiParts, log *slog.Logger) (*api.Server, error) {
	origins, err := access.NewOrigins(cfg.CORS.Origins)
	if err != nil {
		return nil, fmt.Errorf("cors.origins: %w", err)
	}
	feeding := hub.DefaultOptions()
	feeding.Logger = log
	feeding.MaxSubscriptions = cfg.Limits.Subscriptions
	feeding.SessionBytes = int64(cfg.Limits.SessionBytes)
	feeding.Replay = replay.Options{
		Window: cfg.Replay.Window, MaxEvents: cfg.Replay.MaxEvents, MaxBytes: int64(cfg.Replay.MaxBytes),
		WorkspaceEvents: cfg.Limits.Workspace.ReplayEvents, WorkspaceBytes: int64(cfg.Limits.Workspace.ReplayBytes),
	}
	if parts.tables != nil {
		feeding.Far, feeding.FarLimit = parts.tables, cfg.Replay.Far
	}
	w := cfg.Limits.Workspace
	feeding.Workspace = hub.Shares{
		Clients: w.Clients, Subscriptions: w.Subscriptions, CatchUp: int64(w.CatchUp), Pause: w.Pause,
	}
	grace := time.Duration(-1)
	if cfg.Auth.OnExpiry == configs.OnExpiryDisconnect {
		grace = cfg.Auth.ExpiryGrace
	}
	o := api.Options{
		SocketIO: socketOptions(cfg, log), Hub: feeding, Origins: origins,
		RequestsPerAddress: cfg.Limits.RequestsPerAddress,
		Allowed:            cfg.Allow.Addresses, Trusted: cfg.Proxies.Trusted,
		ExpiryGrace: grace, QueryToken: cfg.Auth.AllowQueryToken, LeftUpstreamSince: parts.left,
		Conversations: parts.conversations, Sender: parts.sender, Source: parts.source, Logger: log,
	}
	if parts.cluster != nil {
		o.Others = others{parts.cluster.bus}
		o.Elsewhere = &api.Elsewhere{Sessions: parts.cluster.sessions, Complete: parts.cluster.node.Complete, Refresh: parts.cluster.refresh}
	}
	if parts.cluster != nil {
		o.SocketIO.SIDPrefix = sidPrefix(parts.cluster.id)
	}
	o.NameByClient = messageNames(cfg) == pipeline.ClientsIDs
	if parts.membership != nil {
		o.Members, o.MembersInterval = parts.auth, cfg.Auth.Members.CacheTTL
		o.MembersFollowed = func() bool { return parts.membership.published.Load() && parts.source.Health().Flowing }
	}
	return api.New(o, parts.auth)
}

// ownRooms is how many rooms a client is in besides those of its subscriptions.
const ownRooms = 2

// socketOptions are those of the Socket.IO server.
func socketOptions(cfg *configs.Config, log *slog.Logger) socketio.Options {
	l := cfg.Limits
	o := socketio.DefaultOptions()
	o.Path = cfg.Path
	o.SIDPrefix = gateway.SIDPrefix
	o.PingInterval, o.PingTimeout = cfg.Ping.Interval, cfg.Ping.Timeout
	o.ConnectTimeout = l.ConnectTimeout
	o.MaxPayload = int(l.Payload)
	o.MaxAttachments = l.Attachments
	o.MaxRooms = l.Subscriptions + ownRooms
	o.Limits = limitsOf(l)
	o.Recovery.MaxDisconnection = max(cfg.Replay.Window, time.Second)
	o.Logger = log
	return o
}

// limitsOf are the limits that can change while the server runs.
func limitsOf(l configs.Limits) engineio.Limits {
	return engineio.Limits{
		MaxConnections: l.Connections, MaxConnectionsPerAddress: l.ConnectionsPerAddress,
		MaxUnauthenticated: l.Unauthenticated, MaxUnauthenticatedPerAddress: l.UnauthenticatedPerAddress,
		HandshakesPerSecond: l.HandshakesPerSecond, HandshakesPerAddress: l.HandshakesPerAddress,
		InboundPacketsPerSecond: l.PacketsPerSecond,
		QueuePackets:            l.QueuePackets, QueueBytes: int(l.QueueBytes), WriteTimeout: l.WriteTimeout,
	}
}
