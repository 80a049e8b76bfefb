package ops

import (
	"time"

	"chatbridge/bridge/api"
	"chatbridge/bridge/auth"
	"chatbridge/bridge/far"
	"chatbridge/bridge/gateway"
	"chatbridge/bridge/gateway/spool"
	"chatbridge/bridge/hub"
	"chatbridge/bridge/logging"
	"chatbridge/bridge/pipeline"
	"chatbridge/bridge/rest"
	"chatbridge/bridge/send"
	"chatbridge/bridge/telemetry"
	"chatbridge/socketio"
	"chatbridge/source/ledgerfile"
	"chatbridge/source/postgres"
	"chatbridge/source/realtime"
	"chatbridge/source/repair"
)

// Snapshot is all that /status and /metrics show, as of one moment. Counters
// are since the start. A nil pointer leaves its part out.
type Snapshot struct {
	// Taken is that moment.
	Taken   time.Time
	Build   Build
	Started time.Time
	// Memory is the runtime's limit.
	Memory Memory
	// Ready is the answer of /readyz.
	Ready  Readiness
	Source Health
	// Postgres and Realtime: the one that runs.
	Postgres *postgres.Stats
	// Cluster is nil where the bridge is alone.
	Cluster  *Cluster
	Realtime *realtime.Stats
	// Ledger is the file that keeps what was published of each row, nil for none.
	Ledger *ledgerfile.Stats
	// Repair is what was read back after gaps, nil where the source is not Postgres.
	Repair   *repair.Stats
	Pipeline pipeline.Stats
	Hub      hub.Stats
	Sockets  socketio.Stats
	API      api.Stats
	Auth     auth.Stats
	// Far is nil where clients are not caught up from the tables; FarOff tells why they are
	// not, "" where they are.
	Far    *far.Stats
	FarOff string
	// REST is nil unless ChatEngine's REST interface is answered.
	REST *REST
	// Send is what was sent for clients, SendMode the setting.
	Send     send.Stats
	SendMode string
	// AdminTokensRefused counts wrong values of admin.token, AdminTokenBursts their bursts,
	// each of one address.
	AdminTokensRefused, AdminTokenBursts uint64
	// DescriptorsRefused counts connections refused because too few file
	// descriptors were left.
	DescriptorsRefused uint64
	// HeadlessClosed counts connections closed because their address had too many whose
	// first request had no complete head.
	HeadlessClosed uint64
	// Gateway is nil unless the bridge stands in front of ChatEngine.
	Gateway *gateway.Stats
	// Spool is nil unless webhooks are kept.
	Spool *spool.Stats
	// OTel is nil unless metrics and traces are sent to a collector.
	OTel   *telemetry.Stats
	Log    logging.Stats
	Reload Reload
	// CertificateExpires is when the served TLS certificate does; zero
	// without TLS.
	CertificateExpires time.Time
	// Warnings are what the operator should deal with, newest last.
	Warnings []string
}

// Cluster is the bridge as one of several. What only a leader or only an edge has is
// zero on the other.
type Cluster struct {
	// Role is ClusterLeader or ClusterEdge.
	Role string
	// Leader names who leads, by host and process, since LeaderSince; empty where none
	// was heard of yet.
	Leader      string
	LeaderSince time.Time
	// Connected: Redis works, and an edge hears the leader. Error says why not, and Remedy
	// what to do.
	Connected     bool
	Error, Remedy string
	// Waiting is how many events of the leader are not in Redis. The counters are since
	// it began to lead: entries and bytes that it appended, times that Redis had lost
	// something, and that this was too old to be appended again, and events that it had
	// no room to keep.
	Waiting                            int
	Appended, AppendedBytes            uint64
	Refills, Replaced, EvictedUnserved uint64
	// Renewed counts the times that the stream had what no bridge wrote, and the leader began
	// it anew.
	Renewed uint64
	// Unheard is how long ago the leader's last beat reached the edge.
	Unheard time.Duration
	// Complete: the edge's log has no hole. Read entries had ReadEvents that were new to it.
	// Rejoins counts the times that Redis did not hold what came next.
	Complete                  bool
	Read, ReadEvents, Rejoins uint64
	// Nodes is how many other bridges live. Notices are broadcasts to them, such as typing:
	// sent, received and dropped. NoticesError says why none come, and NoticesRemedy what to
	// do.
	Nodes                                        int
	NoticesSent, NoticesReceived, NoticesDropped uint64
	NoticesError, NoticesRemedy                  string
	// Foreign have the cluster.name and another database, Differing the same database and a
	// setting that should be the same. Outdated are the addresses of those that speak another
	// format.
	Foreign   []ForeignBridge
	Differing []DifferingBridge
	Outdated  []string
	// Sessions of clients were kept for the other bridges, wait to be, could not be, and
	// were found taken over by another bridge while they were here.
	SessionsKept, SessionsFailed, SessionsLost uint64
	SessionsWaiting                            int
	// SessionsRefused were over their share of Redis, SessionsGivenUp is how often all were
	// emptied because Redis was full, and SessionsBytes what Redis needs for them.
	SessionsRefused, SessionsGivenUp uint64
	SessionsBytes                    int64
	// Forwarded are requests of other bridges' sessions that were passed on to them,
	// ForwardsFailed those that could not be.
	Forwarded, ForwardsFailed uint64
}

// The roles.
const (
	ClusterLeader = "leader"
	ClusterEdge   = "edge"
)

// status is the part of /status.
func (c *Cluster) status(restored, anew uint64) object {
	o := object{{"role", c.Role}, {"leader", unlessEmpty(c.Leader)}, {"connected", c.Connected}, {"error", unlessEmpty(c.Error)}, {"remedy", unlessEmpty(c.Remedy)}}
	if !c.LeaderSince.IsZero() {
		o = append(o, member{"leaderSince", c.LeaderSince.UTC()})
	}
	o = append(o, member{"otherBridges", c.Nodes}, member{"notices", object{
		{"told", c.NoticesSent}, {"heard", c.NoticesReceived}, {"dropped", c.NoticesDropped}, {"error", unlessEmpty(c.NoticesError)}, {"remedy", unlessEmpty(c.NoticesRemedy)},
	}})
	o = append(o, member{"forwarded", object{{"requests", c.Forwarded}, {"failed", c.ForwardsFailed}}}, member{"sessions", object{
		{"kept", c.SessionsKept},
		{"waiting", c.SessionsWaiting},
		{"failed", c.SessionsFailed},
		{"lost", c.SessionsLost},
		{"refused", c.SessionsRefused},
		{"givenUp", c.SessionsGivenUp},
		{"bytes", c.SessionsBytes},
		{"restored", restored},
		{"anew", anew},
	}})
	if len(c.Foreign) > 0 {
		o = append(o, member{"foreignBridges", c.Foreign})
	}
	if len(c.Differing) > 0 {
		o = append(o, member{"differingBridges", c.Differing})
	}
	if len(c.Outdated) > 0 {
		o = append(o, member{"outdatedBridges", c.Outdated})
	}
	if c.Role == ClusterLeader {
		return append(
			o, member{"waitingEvents", c.Waiting}, member{"appendedEntries", c.Appended}, member{"appendedBytes", c.AppendedBytes},
			member{"refills", c.Refills}, member{"replaced", c.Replaced}, member{"renewed", c.Renewed},
		)
	}
	return append(
		o, member{"whole", c.Complete}, member{"unheardSeconds", c.Unheard.Seconds()},
		member{"readEntries", c.Read}, member{"readEvents", c.ReadEvents}, member{"rejoins", c.Rejoins},
	)
}

// Build says which program runs.
type Build struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Go      string `json:"go"`
}

// REST is what answers ChatEngine's REST interface, and what reads the tables for it.
type REST struct {
	rest.Stats
	Tables far.Stats
}

// Memory is the soft limit of the Go runtime's memory: past it the collector works
// harder. Bytes is 0 for none. Group is what the process's control group may use, 0
// where it was not asked for or has no limit.
type Memory struct {
	Bytes, Group int64
	From         MemorySource
}

// MemorySource tells where a limit comes from.
type MemorySource string

// The sources of a limit.
const (
	MemoryUnlimited       MemorySource = "none"
	MemoryFromEnvironment MemorySource = "GOMEMLIMIT"
	MemoryFromGroup       MemorySource = "control group"
)

// Reload is how the configuration was read again on SIGHUP.
type Reload struct {
	// Succeeded and Failed count the readings.
	Succeeded, Failed uint64
	// OK is false after one that failed, and Error why; Last is when the
	// configuration in use was read.
	OK    bool
	Error string
	Last  time.Time
	// NeedsRestart are the settings that the configuration read last has otherwise than the
	// one in use, which a restart takes over.
	NeedsRestart []string
}

// sends reports whether clients' messages are sent.
func (s *Snapshot) sends() bool { return s.SendMode != "" && s.SendMode != "refuse" }

// Connected is the number of clients connected. The sockets by which
// the gateway reads the hub are not clients.
func (s *Snapshot) Connected() int64 { return s.Sockets.Sockets - int64(s.Hub.Feeds) }
