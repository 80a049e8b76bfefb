package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"

	"chatbridge/bridge/access"
	"chatbridge/bridge/api"
	"chatbridge/bridge/gateway"
	"chatbridge/bridge/gateway/spool"
	"chatbridge/bridge/hub"
	"chatbridge/bridge/pipeline"
	"chatbridge/bridge/rest"
	"chatbridge/bridge/send"
	"chatbridge/configs"
)

// holdModes are the gateway's modes by the value of gateway.hold.
var holdModes = map[string]gateway.Mode{
	configs.HoldAuto: gateway.Auto, configs.HoldLocal: gateway.HoldLocal, configs.HoldUpstream: gateway.HoldUpstream,
}

// newGateway returns the gateway where the bridge stands in front of ChatEngine,
// else nil.
func newGateway(cfg *configs.Config, server *api.Server, sender *send.Sender, answers *rest.Handler, source sourceState, log *slog.Logger) (*gateway.Gateway, error) {
	c := cfg.Gateway
	if c.Upstream == "" {
		return nil, nil
	}
	upstream, err := url.Parse(c.Upstream)
	if err != nil {
		return nil, fmt.Errorf("gateway.upstream: %w", err)
	}
	o := gateway.DefaultOptions()
	o.Upstream, o.Path = upstream, cfg.Path
	o.Local, o.Knows, o.Shed = server.Handler(), server.SocketIO().Knows, server.Shed
	o.HealthPath, o.Interval, o.Timeout = c.HealthPath, c.Interval, c.Timeout
	o.FailAfter, o.HealthyFor = c.FailAfter, c.RecoverAfter
	o.Batch, o.BatchInterval = c.HandbackBatch, c.HandbackInterval
	o.TrustedProxies, o.Logger = cfg.Proxies.Trusted, log
	o.AdmitAddress, o.AdmitOrigin, o.Limits = server.AdmitsAddress, server.AdmitsOrigin, gatewayLimits(cfg.Limits, cfg.Limits.Payload)
	o.AdmitRequest = server.AdmitsRequest
	o.Fresh, o.CatchUpLate = source.Fresh, max(cfg.Replay.Window, o.CatchUpWait)
	// Clients get a private id even where it says no offset: by it the bridge knows that they
	// were at ChatEngine, and when they left.
	o.Since, o.OwedSince = func() string { return "" }, server.OwedSince
	o.DeparturesFile = cfg.DeparturesFile()
	if messageNames(cfg) == pipeline.ClientsIDs {
		o.Since = func() string { return string(hub.AppendOffset(nil, server.Hub().HeadOffset())) }
	}
	o.Texts = passedTexts{server, sender}
	if c := clusterOf(source.Source); c != nil {
		o.Ordered = func(m gateway.Mode) { c.orders.Give(string(m)) }
	}
	if answers != nil {
		o.Rest = answers
	}
	if o.Webhooks, err = newWebhooks(cfg, log); err != nil {
		return nil, err
	}
	g, err := gateway.New(o)
	if err != nil {
		return nil, err
	}
	return g, g.Hold(holdModes[c.Hold])
}

// passedTexts is the gateway.Texts of a Daemon.
type passedTexts struct {
	api    *api.Server
	sender *send.Sender
}

// Pass implements gateway.Texts.
func (x passedTexts) Pass(r *http.Request, connect []byte, t gateway.Text) gateway.PassedText {
	passed := x.sender.Pass(send.Passing{
		ID: t.ID, Conversation: t.Conversation, Content: t.Content, ReplyTo: t.ReplyTo,
		Who: func(ctx context.Context) (workspace, user string, err error) { return x.api.Who(ctx, r, connect) },
	})
	if passed == nil {
		return nil
	}
	return passed
}

// gatewayLimits returns the limits of what is passed on. A change of the payload takes a
// restart, because the bridge's own server tells it to clients as maxPayload in the handshake;
// the others can change while the gateway runs.
func gatewayLimits(l configs.Limits, payload configs.Size) gateway.Limits {
	return gateway.Limits{
		Connections: l.Connections, ConnectionsPerAddress: l.ConnectionsPerAddress,
		HandshakesPerSecond: l.HandshakesPerSecond, HandshakesPerAddress: l.HandshakesPerAddress,
		PacketsPerSecond: l.PacketsPerSecond, Payload: int64(payload), WriteTimeout: l.WriteTimeout,
	}
}

// newWebhooks returns what keeps webhooks; the zero Webhooks without spool.dir.
func newWebhooks(cfg *configs.Config, log *slog.Logger) (gateway.Webhooks, error) {
	c := cfg.Spool
	if c.Dir == "" {
		return gateway.Webhooks{}, nil
	}
	s, err := spool.New(spool.Options{
		Dir: c.Dir, MaxBytes: int64(c.MaxBytes), MaxAge: c.MaxAge, MaxBody: int64(c.MaxBody), BodyTimeout: c.BodyTimeout,
		Rate: c.Rate, Timeout: c.Timeout, Logger: log,
	})
	if err != nil {
		return gateway.Webhooks{}, err
	}
	return gateway.Webhooks{Spool: s, Paths: c.Paths, Admit: func(r *http.Request) bool {
		return access.Addresses(c.Addresses).Allow(access.ClientAddr(r, cfg.Proxies.Trusted))
	}}, nil
}
