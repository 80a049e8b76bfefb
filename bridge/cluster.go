package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"chatbridge/bridge/api"
	"chatbridge/bridge/cluster"
	"chatbridge/bridge/gateway"
	"chatbridge/bridge/hub"
	"chatbridge/bridge/ops"
	"chatbridge/bridge/pipeline"
	"chatbridge/bridge/replay"
	"chatbridge/bridge/send"
	"chatbridge/configs"
	"chatbridge/mapping"
	"chatbridge/mapping/contract"
	"chatbridge/source"
	"chatbridge/source/postgres"
	"chatbridge/source/postgres/pgoutput"
)

// clusterSource is the Source of a bridge of a cluster. As the leader, which has the
// replication slot, it reads the database; as an edge it reads from Redis what the leader
// publishes.
type clusterSource struct {
	inner *postgresSource // nil where cluster.role is edge
	node  *cluster.Node
	// id names this process to the other bridges. shared is the connection to Redis for all
	// but the stream of changes, bus the notices on it.
	id string
	// cluster is cluster.name.
	cluster string
	shared  *cluster.Shared
	bus     *cluster.Bus
	// sessions are the stored sessions of clients; each is stored again after refresh.
	sessions *cluster.Sessions
	refresh  time.Duration
	// forwards passes on requests of other bridges' sessions. advertise returns this bridge's
	// own address for that; it is set before run.
	forwards  *forwarder
	advertise func() string
	// history tells which database this bridge is of, others which other bridges there are.
	history *ownHistory
	others  *otherBridges
	// orders are the operator's to the gateways of all bridges. gateway, nil for none, is set
	// before run.
	orders  *cluster.Orders
	gateway *gateway.Gateway
	log     *slog.Logger
	began   time.Time
	// api and pipeline are set before Run.
	api      *api.Server
	pipeline *pipeline.Pipeline

	// sender is set before Run.
	sender *send.Sender

	// streaming tells that the inner source feeds the pipeline, or may at any moment.
	streaming    atomic.Bool
	availability availability
	// handler takes the changes of the inner source. gaps are those that it reported while this
	// bridge did not lead, restarts the edge's count of restarts at that time. Only the inner
	// source's goroutine uses these.
	handler  source.Handler
	gaps     []source.Gap
	restarts uint64
	// freed has a token when a leader has told that it freed the slot.
	freed chan struct{}
	// resumed is the epoch of the place that resume returned last.
	resumed cluster.Epoch
}

// leaderless is how long an edge keeps its clients while no leader is heard: longer than a
// change of the leader or a restart of Redis takes.
const leaderless = 8 * time.Second

// takeoverPoll is how often an edge checks whether the slot is free. All clients of the
// cluster wait for that when the leader ends, and a check is two small queries.
const takeoverPoll = 250 * time.Millisecond

// joinCluster returns the source of a bridge of a cluster. The caller sets inner.
func joinCluster(cfg *configs.Config, spec *mapping.Spec, pw *passwords, log *slog.Logger) (*clusterSource, error) {
	s := &clusterSource{log: log, began: time.Now(), id: cluster.NewNodeID(), cluster: cfg.Cluster.Name, freed: make(chan struct{}, 1)}
	dial, err := cluster.Redis(cfg.Cluster.RedisURL.Reveal(), cfg.Cluster.Name, s.historyNow, pw.redis)
	if err != nil {
		return nil, fmt.Errorf("%w; %s", err, cluster.Remedy(err))
	}
	s.history = newOwnHistory(cfg, pw, func(h cluster.History) {
		s.shared.Belong(h)
		s.bus.Announce()
	})
	if s.shared, err = cluster.NewShared(cfg.Cluster.RedisURL.Reveal(), cfg.Cluster.Name, pw.redis); err != nil {
		return nil, err
	}
	window := max(cfg.Replay.Window, time.Second) // for which sessions are saved
	s.refresh = window / 2
	s.sessions = cluster.NewSessions(s.shared, window+s.refresh, int64(cfg.Replay.MaxBytes)/cluster.SessionsShare)
	key := cluster.NewSecret()
	s.others = newOtherBridges(pw.now.Load, spec, key, log)
	s.bus = cluster.NewBus(cluster.BusOptions{
		Shared: s.shared, ID: s.id, Advertise: func() string { return s.advertise() }, About: s.about,
		Hear: s.hear, Again: s.hearAgain, Logger: log,
	})
	s.orders = cluster.NewOrders(s.shared, processName(), s.obey, func() { s.bus.Send(cluster.Notice{Kind: cluster.Ordered}) }, log)
	s.forwards = newForwarder(s.id, key, cfg.Path, cfg.Proxies.Trusted, s.bus.Peer, log)
	s.node = cluster.NewNode(cluster.NodeOptions{
		Dial: dial, Follower: s, Name: processName(), Keep: cfg.Replay.Window + replay.Slack,
		MaxItems: cfg.Replay.MaxEvents, MaxBytes: int(cfg.Replay.MaxBytes), Source: s.state,
		Database: s.ask,
		OnFollow: func() { s.pipeline.Rest() }, OnLead: func() { s.pipeline.Resume() },
		OnFull: s.sessions.GiveUp, Unheard: s.unheard, Logger: log,
	})
	return s, nil
}

// clusterOf returns s as a clusterSource, nil if the bridge is of no cluster.
func clusterOf(s Source) *clusterSource {
	c, _ := s.(*clusterSource)
	return c
}

// processName is host/pid.
func processName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return host + "/" + strconv.Itoa(os.Getpid())
}

// follow sets the options of the inner source that a cluster needs.
func (s *clusterSource) follow(o *postgres.Options) {
	o.Held, o.Resume, o.Delivered, o.OnStream, o.OnStandby = s.held, s.resume, s.delivered, s.lead, s.stepDown
	o.OnStreamEnd = func() { s.streaming.Store(false) }
	o.StandbyPoll, o.Freed = takeoverPoll, s.freed
}

// held returns up to where Redis holds what this bridge has read: 0 on an edge.
func (s *clusterSource) held() uint64 {
	if l := s.node.Leader(); l != nil {
		return l.Held()
	}
	return 0
}

// resume implements postgres.Options.Resume: it returns the place of the previous leader up
// to which this bridge has received all that was published.
func (s *clusterSource) resume(ctx context.Context, confirmed uint64) (postgres.Handover, bool) {
	p, epoch, ok := s.node.Place(ctx, confirmed)
	if !ok {
		return postgres.Handover{}, false
	}
	s.resumed = epoch
	return postgres.Handover{
		LSN: pgoutput.LSN(p.Through), Commit: pgoutput.LSN(p.Commit), CommitTime: p.Time,
		System: strconv.FormatUint(epoch.System, 10), Timeline: p.Timeline, Database: p.Database, Started: p.Server,
	}, true
}

// delivered implements postgres.Options.Delivered: it returns how far clients of the cluster
// have the changes, as far as this bridge knows. A database that lacks these changes was put
// back to an earlier state.
func (s *clusterSource) delivered(ctx context.Context) (postgres.Handover, bool) {
	d, ok := s.node.Delivered(ctx)
	return postgres.Handover{
		LSN: pgoutput.LSN(d.Through), Commit: pgoutput.LSN(d.Commit), CommitTime: d.Time,
		System: strconv.FormatUint(d.Epoch.System, 10), Timeline: int64(d.Epoch.Timeline),
	}, ok
}

// place returns where another bridge's source may continue, nil where that is not certain.
// inner must not be nil.
func (s *clusterSource) place() *cluster.Place {
	at, ok := s.inner.stream.Handover()
	if !ok {
		return nil
	}
	return &cluster.Place{
		Through: uint64(at.LSN), Commit: uint64(at.Commit), Time: at.CommitTime,
		Timeline: at.Timeline, Database: at.Database, Server: at.Started,
	}
}

// ask asks the database where its log ends, and whether this bridge has the slot.
func (s *clusterSource) ask(ctx context.Context) (cluster.Database, error) {
	end, ours, err := s.inner.stream.Ask(ctx)
	return cluster.Database{End: uint64(end), Ours: ours}, err
}

// lead is called when the inner source has the slot.
func (s *clusterSource) lead(ctx context.Context, at postgres.Stream) error {
	system, err := strconv.ParseUint(at.System, 10, 64)
	if err != nil {
		return fmt.Errorf("read the server's system identifier: %w", err)
	}
	s.streaming.Store(true)
	s.history.set(cluster.History{System: system, Database: at.Database})
	start := cluster.Start{System: system, Database: at.Database, Timeline: uint32(at.Timeline), From: at.From, Confirmed: at.Confirmed, Fresh: at.Fresh}
	if at.Resumed {
		start.Resumed = &s.resumed
	}
	if err := s.node.Lead(ctx, start); err != nil {
		return err
	}
	s.bus.Announce()
	if at.Resumed || at.Fresh && s.node.EdgeStats().Beat != nil {
		s.inner.repair.TakeOver()
	}
	if at.Fresh || at.Resumed {
		s.log.Info("this bridge leads the cluster from now on", "readsFrom", pgoutput.LSN(at.From).String(), "goesOn", at.Resumed)
	}
	s.dropPublishedGaps()
	gaps := s.gaps
	s.gaps = nil
	for _, g := range gaps {
		if err := s.handler.Gap(g); err != nil {
			return err
		}
	}
	return nil
}

// dropPublishedGaps drops the kept gaps if a leader has begun another history since: clients
// were told of a loss by that.
func (s *clusterSource) dropPublishedGaps() {
	if n := s.node.EdgeStats().Restarts; n != s.restarts {
		s.gaps, s.restarts = nil, n
	}
}

// stepDown is called when another bridge has the slot.
func (s *clusterSource) stepDown(ctx context.Context) error {
	s.streaming.Store(false)
	s.inner.repair.TakeOver() // whoever reads the slot publishes, also if this bridge's source begins with a gap
	return s.node.Follow(ctx)
}

// state returns the state of the inner source for the leader's beats.
func (s *clusterSource) state() cluster.SourceState {
	if s.inner == nil {
		return cluster.SourceState{}
	}
	place := s.place() // before Stats, so that it is not beyond Through
	stats, h := s.inner.stream.Stats(), s.inner.Health()
	return cluster.SourceState{
		Place: place, Through: uint64(stats.Handled), Commit: stats.LastCommit, Streaming: s.streaming.Load(),
		Flowing: h.Flowing, State: string(h.State), Reason: h.Reason,
	}
}

// Run implements Source.
func (s *clusterSource) Run(ctx context.Context, h source.Handler) error {
	s.handler = h
	return s.availability.during(ctx, func(time.Time) bool { return s.Health().Flowing }, func() error {
		if s.inner == nil {
			<-ctx.Done()
			return nil
		}
		err := s.inner.Run(ctx, clusterHandler{h, s})
		if s.node.Leader() != nil {
			s.bus.Send(cluster.Notice{Kind: cluster.Freed})
		}
		return err
	})
}

// clusterHandler keeps the gaps that the inner source reports before this bridge leads:
// until then the edge feeds the Hub.
type clusterHandler struct {
	source.Handler
	s *clusterSource
}

// Gap implements source.Handler.
func (h clusterHandler) Gap(g source.Gap) error {
	if !h.s.streaming.Load() || h.s.node.Leader() == nil {
		h.s.dropPublishedGaps()
		h.s.gaps = append(h.s.gaps, g)
		return nil
	}
	return h.Handler.Gap(g)
}

// Measure implements Source.
func (s *clusterSource) Measure(to *ops.Snapshot) {
	if s.inner != nil {
		s.inner.Measure(to)
	}
	e := s.node.EdgeStats()
	c := &ops.Cluster{Role: ops.ClusterEdge, Read: e.Entries, ReadEvents: e.Records, Rejoins: e.Rejoins}
	if l := s.node.Leader(); l != nil {
		led := l.Stats()
		c.Role, c.Leader, c.LeaderSince = ops.ClusterLeader, processName(), l.Began()
		c.Connected, c.Waiting = led.Connected, led.Waiting
		c.Appended, c.AppendedBytes = led.Entries, led.Bytes
		c.Refills, c.Replaced, c.EvictedUnserved = led.Refills, led.Replaced, led.Evicted
		c.Renewed = led.Renewed
	} else {
		c.Connected, c.Complete = e.Connected, e.Joined
		if b := e.Beat; b != nil {
			c.Leader, c.LeaderSince, c.Unheard = b.Leader, b.Since, time.Since(e.Heard)
		}
	}
	c.Error, c.Remedy = s.trouble()
	b := s.bus.Stats()
	c.Nodes, c.NoticesSent, c.NoticesReceived, c.NoticesDropped = b.Peers, b.Sent, b.Received, b.Dropped
	c.NoticesError, c.NoticesRemedy = b.Error, b.Remedy
	c.Forwarded, c.ForwardsFailed = s.forwards.forwarded.Load(), s.forwards.failed.Load()
	k := s.sessions.Stats()
	c.SessionsKept, c.SessionsWaiting, c.SessionsFailed, c.SessionsLost = k.Put, k.Waiting, k.Failed, k.Lost
	c.SessionsRefused, c.SessionsGivenUp, c.SessionsBytes = k.Refused, k.GivenUp, k.Bytes
	s.others.measure(c, to)
	to.Cluster = c
}

// The methods below implement cluster.Follower, which the edge feeds.

// anyEvent is a packet of the type and namespace that all events have.
var anyEvent = newAnyEvent()

// Apply implements cluster.Follower.
func (s *clusterSource) Apply(r *cluster.Record) {
	switch r.Kind {
	case cluster.Published:
		s.observe(r)
		packet := anyEvent.WithText(r.Text)
		r.Text = packet.Text() // the edge keeps r.Text: one copy for both
		s.api.Hub().Publish(&hub.Event{
			Position: r.ID.Position(), Kind: r.Event, Workspace: r.Workspace, Conversation: r.Conversation, Message: r.Key,
			Packet: packet, Commit: r.Commit, Of: r.Of, Other: r.Other, Again: r.Again, Created: r.Created,
		}, time.Now())
	case cluster.LeftOut:
		s.api.Hub().LeftOut(r.Workspace, r.Conversation, r.Commit)
	case cluster.MemberLeft:
		s.api.MemberLeft(string(r.Key), string(r.Workspace))
	case cluster.MemberJoined:
		s.api.MemberJoined(string(r.Key), string(r.Workspace))
	case cluster.MembersChanged:
		s.api.MembersChanged()
	}
}

// observe shows the Sender an event that another bridge has read from the database, as the
// pipeline does with its own: a row tells what became of a text that was sent through this
// bridge.
func (s *clusterSource) observe(r *cluster.Record) {
	if s.sender == nil || !s.sender.Watching() || r.Event != contract.Message && r.Event != contract.MessageStatus {
		return
	}
	_, list, _ := bytes.Cut(r.Text, []byte{'['})
	var args []json.RawMessage // the name, the payload, the offset
	var row struct{ Status string }
	if json.Unmarshal(append([]byte{'['}, list...), &args) != nil || len(args) < 2 || json.Unmarshal(args[1], &row) != nil {
		return // never: every bridge writes events in this form
	}
	s.sender.Observe(&contract.Event{
		Kind: r.Event, Workspace: r.Workspace, Conversation: r.Conversation, Key: r.Key, Status: []byte(row.Status), Payload: args[1],
	})
}

// Gap implements cluster.Follower.
func (s *clusterSource) Gap(g cluster.Gap) {
	attrs := []any{"reason", g.Reason, "since", g.Since, "until", g.Until}
	if b := s.node.EdgeStats().Beat; b != nil {
		attrs = append(attrs, "leader", b.Leader)
	}
	s.log.Error("changes were lost; clients see what happened meanwhile after a reload", attrs...)
	s.api.Hub().Gap(g.Since, g.Until, false)
	s.api.MembersChanged()
}

// When the log begins anew, rejoinBatch clients are closed every rejoinInterval, for
// rejoinTimeout at most.
const (
	rejoinBatch    = 50
	rejoinInterval = 50 * time.Millisecond
	rejoinTimeout  = 30 * time.Second
)

// Rejoin implements cluster.Follower. It closes the clients, so that they come back, here or
// to another bridge, and are sent what they lack. New sessions are refused meanwhile.
func (s *clusterSource) Rejoin(bool) {
	until := time.Now().Add(rejoinTimeout)
	for s.api.Shed(rejoinBatch) > 0 && s.api.Hub().Context().Err() == nil {
		if now := time.Now(); now.After(until) {
			s.api.Hub().Gap(time.Time{}, now, false) // for the clients that are still here
			break
		}
		time.Sleep(rejoinInterval)
	}
	s.api.Hub().Rejoin()
	s.api.MembersChanged()
}

// Restart implements cluster.Follower.
func (s *clusterSource) Restart(r cluster.Restart) {
	s.api.Hub().Restart(r.Since, r.Until, r.Began)
	s.api.MembersChanged()
}
