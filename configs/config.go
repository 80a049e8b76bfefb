package configs

import (
	_ "embed"
	"log/slog"
	"net/netip"
	"time"
)

// Default is bridge.yaml: every key, its meaning and its default.
//
//go:embed bridge.yaml
var Default string

// Config is every setting of the bridge. Load makes it; the zero Config is of
// no use. The comments give unit and meaning, bridge.yaml says more and has
// the defaults.
type Config struct {
	// Listen is the address of the public listener, host:port.
	Listen string
	// Path is where Socket.IO is served, such as /api/ws, without a trailing
	// slash.
	Path     string
	TLS      TLS
	Admin    Admin
	CORS     CORS
	Allow    Allow
	Proxies  Proxies
	Ping     Ping
	Limits   Limits
	Source   Source
	Mapping  Mapping
	Lookup   Lookup
	Auth     Auth
	Replay   Replay
	Ledger   Ledger
	Gateway  Gateway
	REST     REST
	Send     Send
	Spool    Spool
	Health   Health
	Shutdown Shutdown
	Log      Log
	Cluster  Cluster
	OTel     OTel

	origins  map[string]Origin
	fields   []*field
	warnings []string
	// unread are the files of secrets that only root may read, by key.
	unread map[string]string
	// installation is the installed service that was read, if any.
	installation installation
	// socket: systemd holds the public address.
	socket bool
}

// Cluster makes several bridges one.
type Cluster struct {
	// RedisURL is where they meet, Name what tells them from other clusters on one
	// Redis; empty turns it off.
	RedisURL Secret
	Name     string
	// Role is RoleAuto or RoleEdge.
	Role string
	// Advertise is where the other bridges reach this one, http://host:port; empty finds
	// it out.
	Advertise string
}

// OTel is the collector of OpenTelemetry.
type OTel struct {
	// Endpoint is its address for OTLP over HTTP; empty sends nothing.
	Endpoint string
}

// What cluster.role says.
const (
	// RoleAuto leads where the slot is free.
	RoleAuto = "auto"
	// RoleEdge never does.
	RoleEdge = "edge"
)

// TLS names the files of the public listener's certificate; both or none.
type TLS struct {
	CertFile, KeyFile string
}

// Admin is the operator's listener.
type Admin struct {
	// Listen is its address; empty turns it off.
	Listen string
	// Token is asked for by it; empty asks for none.
	Token Secret
}

// CORS says which browsers may connect.
type CORS struct {
	// Origins are exact origins, `https://*.example.app`, or `*`.
	Origins []string
}

// Allow restricts who may connect at all.
type Allow struct {
	// Addresses, where not empty, are the only clients that are served.
	Addresses []netip.Prefix
}

// Proxies are the reverse proxies in front of the bridge.
type Proxies struct {
	// Trusted are those whose X-Forwarded-For is used.
	Trusted []netip.Prefix
}

// Ping is the Engine.IO heartbeat.
type Ping struct {
	Interval, Timeout time.Duration
}

// Limits bound what clients may use. For those marked so, 0
// means no limit.
type Limits struct {
	Connections           int // 0: no limit
	ConnectionsPerAddress int // 0: no limit
	// Connections whose CONNECT was not accepted yet; 0: no limit.
	Unauthenticated, UnauthenticatedPerAddress int
	HandshakesPerSecond                        int // 0: no limit
	HandshakesPerAddress                       int // per second; 0: no limit
	RequestsPerAddress                         int // per second, of no session; 0: no limit
	PacketsPerSecond                           int // inbound, per connection; 0: no limit
	Payload                                    Size
	Attachments                                int // per packet; 0: none
	Subscriptions                              int // per socket
	SessionBytes                               Size
	Workspace                                  WorkspaceLimits
	QueuePackets                               int // outbound, per connection
	QueueBytes                                 Size
	Event                                      Size
	WriteTimeout                               time.Duration
	ConnectTimeout                             time.Duration
}

// WorkspaceLimits bound what one workspace may use; 0 means no limit.
type WorkspaceLimits struct {
	Clients       int // connected
	Subscriptions int // of all its sockets
	ReplayEvents  int
	ReplayBytes   Size
	CatchUp       Size          // a second
	Pause         time.Duration // at once
}

// The values of Source.Kind.
const (
	KindPostgres = "postgres"
	KindRealtime = "realtime"
)

// Source is where the changes come from.
type Source struct {
	Kind     string // KindPostgres or KindRealtime
	Postgres Postgres
	Realtime Realtime
}

// The values of Postgres.Create.
const (
	CreateAuto  = "auto"
	CreateNever = "never"
)

// The values of Postgres.FailoverSlot.
const (
	FailoverAuto = "auto"
	FailoverOff  = "off"
)

// Postgres is the database that is followed by logical replication.
type Postgres struct {
	URL         DSN
	Publication string
	Slot        string
	// MaxLag is the WAL, in bytes, that the slot may retain before it is dropped.
	MaxLag Size
	// Exclusive: the bridge ends where one of another host that is not of its cluster
	// has the slot, instead of standing by.
	Exclusive bool
	// Create says whether the bridge makes a missing publication and slot.
	Create string
	// FailoverSlot says whether standbys may copy the slot, where the server's
	// version can.
	FailoverSlot   string
	ConnectTimeout time.Duration
	// PingInterval is how often the server is asked for a reply; after three
	// intervals without one the connection is closed.
	PingInterval time.Duration
	// WatchInterval is how often publication, tables and columns are checked.
	WatchInterval time.Duration
}

// Realtime is the Supabase project that is followed by Realtime.
type Realtime struct {
	// URL is the project's address, http or https, no trailing slash.
	URL string
	// Key is the project's service key.
	Key Secret
	// ReconcileInterval is how often recent rows are read back and compared.
	ReconcileInterval time.Duration
	// Window is how far back that goes at most.
	Window time.Duration
}

// Mapping says how rows become events.
type Mapping struct {
	Preset string // crm, chatengine, chatwoot or evolution
	File   string // a mapping of one's own, or changes to the preset
}

// Lookup bounds the queries for what a row itself does not have.
type Lookup struct {
	// URL is the database to query; empty means source.postgres.url, and
	// without that the project's PostgREST.
	URL     DSN
	Timeout time.Duration
	Entries int
	Bytes   Size
}

// The values of Auth.OnExpiry.
const (
	OnExpiryKeep       = "keep"
	OnExpiryDisconnect = "disconnect"
)

// Auth says which tokens are accepted.
type Auth struct {
	// ChatEngineSecrets sign ChatEngine's tokens (HS256). `bridge token`
	// signs with the first; all of them verify.
	ChatEngineSecrets []Secret
	// SupabaseSecrets verify the project's session tokens (HS256).
	SupabaseSecrets []Secret
	// JWKSURL is where the project's public keys are; empty for none. It is
	// derived from source.realtime.url where that is set and this is not.
	JWKSURL string
	// Issuers and Audiences, where not empty, are the accepted `iss` and
	// `aud` of ChatEngine's tokens.
	Issuers, Audiences []string
	// SupabaseIssuers and SupabaseAudiences are the same for session tokens.
	SupabaseIssuers, SupabaseAudiences []string
	// Leeway is the clock skew that is allowed.
	Leeway time.Duration
	// OnExpiry is what happens to a socket whose token expires.
	OnExpiry string
	// ExpiryGrace is how long such a socket may stay under `disconnect`.
	ExpiryGrace time.Duration
	// AllowQueryToken accepts a token in the query string too.
	AllowQueryToken bool
	Members         Members
}

// Members is the table that says who belongs to which workspace.
type Members struct {
	Table           string // name or schema.name
	UserColumn      string
	WorkspaceColumn string
	CacheTTL        time.Duration
}

// The values of Replay.MessageIDs: by the id of its row, by the one that ChatEngine
// knows it by, or by either, as each client had messages before.
const (
	MessageIDsAuto     = "auto"
	MessageIDsRow      = "row"
	MessageIDsProvider = "provider"
)

// Replay bounds the log of recent events.
type Replay struct {
	Window    time.Duration
	MaxEvents int
	MaxBytes  Size
	// MessageIDs says by which id a message goes: see the values of it.
	MessageIDs string
	// Far is how far back clients are caught up from the database's tables; 0 for not
	// at all. FarRows bounds the rows of one such catch-up.
	Far     time.Duration
	FarRows int
	// StateFile stores the confirmed position across restarts. It is derived from $STATE_DIRECTORY where it is not set; empty for none.
	StateFile string
}

// Ledger is what the source remembers of each row.
type Ledger struct {
	// File keeps it over restarts. It is derived from $STATE_DIRECTORY where it is not
	// set; empty for none.
	File string
}

// The values of Gateway.Hold.
const (
	HoldAuto     = "auto"
	HoldLocal    = "local"
	HoldUpstream = "upstream"
)

// Gateway is the bridge in front of ChatEngine.
type Gateway struct {
	// Upstream is ChatEngine's address; empty turns the gateway off.
	Upstream string
	// HealthPath is the path that is probed; empty means Path with an unknown
	// session, which every Socket.IO server refuses.
	HealthPath string
	Interval   time.Duration // between probes
	Timeout    time.Duration // of one probe
	// FailAfter is how many probes in a row must fail for a hand-over.
	FailAfter int
	// RecoverAfter is how long the upstream must have been healthy before
	// clients are handed back.
	RecoverAfter time.Duration
	// HandbackBatch clients are handed back every HandbackInterval.
	HandbackBatch    int
	HandbackInterval time.Duration
	// Hold is the state to start in; auto lets health decide.
	Hold string
}

// REST is ChatEngine's REST interface, answered while it is down.
type REST struct {
	Enabled bool
}

// The values of Send.Mode.
const (
	SendRefuse   = "refuse"
	SendFunction = "function"
	SendOutbox   = "outbox"
)

// Send is how texts are sent that clients write while the bridge serves them.
type Send struct {
	Mode string // SendRefuse, SendFunction or SendOutbox
	// AnonKey is the project's anon or publishable key.
	AnonKey Secret
	// StateFile keeps what was sent.
	StateFile string
	Timeout   time.Duration // of one message
	PerMinute int           // messages of one user; 0: no limit
	Function  SendToFunction
	Outbox    SendToOutbox
}

// SendToFunction is the Edge Function of SendFunction.
type SendToFunction struct {
	URL  string // the project's address
	Name string
	Body []string // name=value
	// Read is the name of the function that marks a conversation as read; empty for none.
	Read  string
	Proxy string
}

// SendToOutbox is the outbox of SendOutbox.
type SendToOutbox struct {
	URL              DSN
	Messages, Table  string
	Message, Columns []string // name=value
	Channel          string
	Read             string // a statement; empty for none
}

// Spool keeps ChatEngine's webhooks while it cannot take them.
type Spool struct {
	// Dir is where; empty turns it off.
	Dir string
	// Paths are the webhooks', Addresses, where not empty, the only clients whose
	// webhooks are kept.
	Paths     []string
	Addresses []netip.Prefix
	// Rate is how many are sent in a minute; 0: no limit.
	Rate        int
	MaxBytes    Size
	MaxAge      time.Duration
	MaxBody     Size
	BodyTimeout time.Duration
	Timeout     time.Duration // of one attempt
}

// Health is what /readyz tolerates.
type Health struct {
	// Grace is how long the source may be away before /readyz says 503.
	Grace time.Duration
}

// Shutdown bounds the shutdown.
type Shutdown struct {
	// Grace is how long it may take from SIGTERM to the exit.
	Grace time.Duration
}

// Log is what is logged and how.
type Log struct {
	Level  slog.Level
	Format string // auto, text or json
}

// DeparturesFile is where a gateway keeps when ChatEngine's clients were cut, beside
// replay.state_file; empty for nowhere.
func (c *Config) DeparturesFile() string {
	if c.Gateway.Upstream == "" || c.Replay.StateFile == "" {
		return ""
	}
	return c.Replay.StateFile + "-departures"
}
