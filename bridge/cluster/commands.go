package cluster

import "strings"

// use is a command that a bridge runs at Redis, in scripts too, as ACL SETUSER names it,
// and how Try runs it by itself: KEY and STREAM in args are keys of its own. Without args
// Try runs it otherwise.
type use struct {
	command string
	args    []any
}

// uses are all of them, but for clusterUses: what the user needs, what Try tries, and what the documents name.
var uses = []use{
	{"ping", []any{"ping"}},
	{"info", []any{"info", "server"}},
	{"select", nil}, // only where the address names a database
	{"client|setname", []any{"client", "setname", clientName}},
	{"eval", []any{"eval", "return 1", 1, "KEY"}},
	{"evalsha", nil},
	{"set", []any{"set", "KEY", "bridge check", "px", 10_000}},
	{"get", []any{"get", "KEY"}},
	{"pexpire", []any{"pexpire", "KEY", 10_000}},
	{"xadd", []any{"xadd", "STREAM", "minid", "~", "0-1", "0-1", "e", "bridge check"}},
	{"xread", []any{"xread", "count", 1, "streams", "STREAM", "0"}},
	{"xrevrange", []any{"xrevrange", "STREAM", "+", "-", "count", 1}},
	{"xtrim", []any{"xtrim", "STREAM", "minid", "0-1"}},
	{"del", []any{"del", "KEY", "STREAM"}},
	{"publish", nil},
	{"subscribe", nil},
}

// clusterUses are those in a Redis Cluster: of every new client, and of the scripts of
// sessions. Another server need not know them, so Try does not run them.
var clusterUses = []string{"cluster|info", "cluster|slots", "asking"}

// clientName is by what CLIENT LIST shows a bridge.
const clientName = "chatbridge"

// Commands are all that a bridge runs at Redis, as ACL SETUSER names them.
var Commands = func() (all []string) {
	for _, u := range uses {
		all = append(all, u.command)
	}
	return append(all, clusterUses...)
}()

// Rights are what the bridge's user may do at Redis, and SentinelRights what it may do at
// Sentinel, where that has users, as ACL SETUSER takes them.
var Rights = "~bridge:* &bridge:* +" + strings.Join(Commands, " +")

// SentinelRights: see Rights.
const SentinelRights = "&* +ping +subscribe +client|setname +sentinel|get-master-addr-by-name +sentinel|sentinels"
