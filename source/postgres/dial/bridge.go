package dial

import (
	"strconv"
	"strings"
)

const (
	// nameSize is how much of an application_name a server keeps, in bytes.
	nameSize = 63
	// clusterSize bounds the cluster's part of it.
	clusterSize = 20
)

// Bridge is who a bridge is, as the application_name of its connections tells it:
// "chatbridge HOST/PID CLUSTER", without the last where it is alone.
type Bridge struct {
	// Host and PID are those of the process; PID is 0 for one of a version that did
	// not tell.
	Host string
	PID  int
	// Cluster is the name of its cluster, of which twenty bytes count; empty for none.
	Cluster string
}

// String is host/pid.
func (b Bridge) String() string {
	if b.PID == 0 {
		return "another host"
	}
	return b.Host + "/" + strconv.Itoa(b.PID)
}

// OfCluster says of which cluster it is.
func (b Bridge) OfCluster() string {
	if b.Cluster == "" {
		return "of no cluster"
	}
	return "of the cluster " + b.Cluster
}

// Named is host/pid, and the cluster of one that has one.
func (b Bridge) Named() string {
	if b.Cluster == "" {
		return b.String()
	}
	return b.String() + " " + b.OfCluster()
}

// Application returns the application_name of a program's connections, at most as long
// as a server keeps, of characters that it leaves as they are.
func (b Bridge) Application(program string) string {
	tail := "/" + strconv.Itoa(b.PID)
	if b.Cluster != "" {
		tail += " " + shorten(b.Cluster, clusterSize)
	}
	return program + " " + shorten(plainHost(b.Host), nameSize-len(program)-1-len(tail)) + tail
}

// ParseBridge reads an application_name; ok is false for one that is no bridge's.
func ParseBridge(program, application string) (b Bridge, ok bool) {
	if application == program {
		return Bridge{}, true
	}
	rest, ok := strings.CutPrefix(application, program+" ")
	if !ok {
		return Bridge{}, false
	}
	process, cluster, _ := strings.Cut(rest, " ")
	slash := strings.LastIndexByte(process, '/')
	if slash < 1 {
		return Bridge{}, false
	}
	pid, err := strconv.Atoi(process[slash+1:])
	if err != nil || pid <= 0 {
		return Bridge{}, false
	}
	return Bridge{Host: process[:slash], PID: pid, Cluster: cluster}, true
}

// Joined reports whether both are of one cluster.
func (b Bridge) Joined(other Bridge) bool {
	return b.Cluster != "" && shorten(b.Cluster, clusterSize) == shorten(other.Cluster, clusterSize)
}

// Is reports whether it is the process of that name, host/pid.
func (b Bridge) Is(name string) bool {
	slash := strings.LastIndexByte(name, '/')
	return slash > 0 && name[slash+1:] == strconv.Itoa(b.PID) && b.SameHost(Bridge{Host: name[:slash]})
}

// SameHost reports whether both run on one host, by what the names keep of it.
func (b Bridge) SameHost(other Bridge) bool {
	x, y := plainHost(b.Host), plainHost(other.Host)
	return strings.HasPrefix(x, y) && y != "" || strings.HasPrefix(y, x) && x != ""
}

func shorten(s string, most int) string { return s[:min(len(s), most)] }

// plainHost replaces what is not in hosts' names.
func plainHost(host string) string {
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, host)
	if plain == "" {
		return "unknown"
	}
	return plain
}
