package bridge

import (
	"sync/atomic"
	"time"

	"chatbridge/bridge/api"
	"chatbridge/bridge/auth"
	"chatbridge/bridge/far"
	"chatbridge/bridge/gateway"
	"chatbridge/bridge/logging"
	"chatbridge/bridge/ops"
	"chatbridge/bridge/pipeline"
	"chatbridge/bridge/rest"
	"chatbridge/bridge/send"
	"chatbridge/bridge/telemetry"
	"chatbridge/configs"
)

// Snapshot gathers what /status and /metrics show. It may be called from any
// goroutine; it waits for the Hub's lock.
func (d *Daemon) Snapshot() ops.Snapshot { return d.observer.snapshot() }

// observer reads the state of the Daemon's parts for the operator. Its fields, except for
// wrongTokens and ending, do not change once New has returned.
type observer struct {
	cfg      *configs.Config
	build    ops.Build
	memory   ops.Memory
	started  time.Time
	source   Source
	pipeline *pipeline.Pipeline
	api      *api.Server
	auth     *auth.Authenticator
	tables   *far.Reader // nil where clients are not caught up from the tables
	farOff   string      // why tables is nil
	sender   *send.Sender
	rest     *rest.Handler // nil unless it is enabled
	// restTables reads the tables for rest.
	restTables *far.Reader
	gateway    *gateway.Gateway // nil unless in front of ChatEngine
	log        *logging.Log     // nil unless Options.Log is set
	cert       *certificate     // nil without TLS
	warnings   *ops.Warnings

	exporter    *telemetry.Exporter
	descriptors *descriptors
	heads       *heads
	reload      *reload

	// wrongTokens counts the wrong tokens shown on the admin listener.
	wrongTokens ops.WrongTokens

	ending atomic.Bool // the process is shutting down
}

func (o *observer) snapshot() ops.Snapshot {
	s := ops.Snapshot{
		Taken: time.Now(), Build: o.build, Started: o.started, Memory: o.memory,
		Ready: o.readiness(), Source: o.source.Health(),
		Pipeline: o.pipeline.Stats(), Hub: o.api.Hub().Stats(), Sockets: o.api.SocketIO().Stats(),
		API: o.api.Stats(), Auth: o.auth.Stats(), AdminTokensRefused: o.wrongTokens.Refused(), AdminTokenBursts: o.wrongTokens.Bursts(), DescriptorsRefused: o.descriptors.refused.Load(), HeadlessClosed: o.heads.closed.Load(),
		Send: o.sender.Stats(), SendMode: o.cfg.Send.Mode,
		Reload: o.reload.snapshot(o.started), Warnings: o.warnings.Lines(),
	}
	o.source.Measure(&s)
	s.FarOff, s.OTel = o.farOff, o.exporter.Stats()
	if o.tables != nil {
		t := o.tables.Stats()
		s.Far, s.FarOff = &t, t.Off
	}
	if o.rest != nil {
		s.REST = &ops.REST{Stats: o.rest.Stats(), Tables: o.restTables.Stats()}
	}
	if o.gateway != nil {
		g := o.gateway.Stats()
		s.Gateway = &g
		if kept := o.gateway.Spool(); kept != nil {
			k := kept.Stats()
			s.Spool = &k
		}
	}
	if o.log != nil {
		s.Log = o.log.Stats()
	}
	if o.cert != nil {
		s.CertificateExpires = o.cert.expires()
	}
	return s
}

// readiness is the answer of /readyz.
func (o *observer) readiness() ops.Readiness {
	if o.ending.Load() {
		return ops.Stopping()
	}
	r := ops.ReadinessOf(o.source.Health(), o.cfg.Health.Grace, time.Now())
	if c := clusterOf(o.source); c != nil {
		return c.ready(r)
	}
	return r
}
