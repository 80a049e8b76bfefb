package cluster

import "strings"

// use is a command that a bridge runs at Redis, also in scripts, as ACL SETUSER names it, and
// the arguments with which Try runs it; KEY and STREAM stand for keys of Try's own. Without
// args, Try covers it in another step.
type use struct {
	command string
	args    []any
}

// uses are all commands but clusterUses. What the user needs, what Try runs and what the
// documents name is made from this list.
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

// clusterUses are the commands for a Redis Cluster alone: of each new client, and of the
// scripts of sessions. Other servers may not have them, so Try does not run them.
var clusterUses = []string{"cluster|info", "cluster|slots", "asking"}

// clientName is the bridges' name in CLIENT LIST.
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
