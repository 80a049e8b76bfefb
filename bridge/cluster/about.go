package cluster

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// About describes a node to the others in each hello, beside its address, so that they can tell
// whether it belongs to their cluster. It is sent as JSON.
type About struct {
	// Name is host and process.
	Name string `json:"name"`
	// Leads: it has the replication slot.
	Leads bool `json:"leads,omitempty"`
	// Fingerprints are the settings that all nodes of a cluster must have the same, by key: a
	// short value, or a fingerprint of a long one. None may reveal a secret.
	Fingerprints map[string]string `json:"prints,omitempty"`
	// Secret is what other nodes prove to know when they pass a request on.
	Secret string `json:"secret,omitempty"`
}

const (
	// maxFingerprints, maxText and maxSecret bound what is accepted of another node's About.
	maxFingerprints, maxText, maxSecret = 32, 128, 256
)

func (a *About) encode() []byte {
	text, _ := json.Marshal(a) // nothing in it can fail
	return text
}

// decodeAbout reads what encode wrote, as far as it is within bounds.
func decodeAbout(text []byte) (a About) {
	if json.Unmarshal(text, &a) != nil || len(a.Fingerprints) > maxFingerprints || len(a.Secret) > maxSecret {
		return About{}
	}
	a.Name = bounded(a.Name)
	fingerprints := make(map[string]string, len(a.Fingerprints))
	for key, value := range a.Fingerprints {
		fingerprints[bounded(key)] = bounded(value)
	}
	a.Fingerprints = fingerprints
	return a
}

// bounded makes another node's text safe for a log line.
func bounded(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), maxText)], "?")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}

// Difference is a setting with another value at another node; Here and There are its
// fingerprints.
type Difference struct {
	Setting, Here, There string
}

// Differences are the settings that both name and have differently, in the order of their
// keys.
func (a *About) Differences(other *About) (all []Difference) {
	for _, key := range slices.Sorted(maps.Keys(a.Fingerprints)) {
		if there, ok := other.Fingerprints[key]; ok && there != a.Fingerprints[key] {
			all = append(all, Difference{key, a.Fingerprints[key], there})
		}
	}
	return all
}

// Others are the nodes heard under the cluster's name.
type Others struct {
	// Same are of this node's database, Foreign of another one: their notices are ignored. For
	// the Unknown, one of the two nodes does not know its database yet.
	Same, Foreign, Unknown []Peer
	// Outdated are the addresses of the nodes that use another format, "" for one that has
	// none; Format is the format of one of them.
	Outdated []string
	Format   int
}

// Whereabouts says where a node of Outdated is.
func Whereabouts(address string) string {
	return cmp.Or(address, "at an address that it does not tell")
}

// NameRemedy is what to do about nodes of several databases under one name.
const NameRemedy = "give each cluster a cluster.name of its own"

// outdated is a node that uses another format.
type outdated struct {
	address string
	format  int
	heard   time.Time
}

// Others returns who is heard now, each list in order.
func (b *Bus) Others() (o Others) {
	of := b.opts.Shared.History()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.peers {
		switch {
		case p.Of.IsZero() || of.IsZero():
			o.Unknown = append(o.Unknown, p)
		case p.Of == of:
			o.Same = append(o.Same, p)
		default:
			o.Foreign = append(o.Foreign, p)
		}
	}
	for _, p := range b.outdated {
		o.Outdated, o.Format = append(o.Outdated, p.address), p.format
	}
	for _, peers := range [][]Peer{o.Same, o.Foreign, o.Unknown} {
		slices.SortFunc(peers, func(p, q Peer) int { return strings.Compare(p.About.Name+p.ID, q.About.Name+q.ID) })
	}
	slices.Sort(o.Outdated)
	return o
}

// meetOutdated handles a hello of another format, of which only the sender's id and address can
// be read.
func (b *Bus) meetOutdated(data []byte, format int, now time.Time) {
	r := reader{data: data}
	_, kind, from := r.byte(), r.byte(), string(r.bytes())
	_, address := r.bytes(), string(r.bytes())
	if r.err != nil || NoticeKind(kind) != hello || !IsNodeID(from) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, known := b.outdated[from]; known || len(b.outdated) < maxPeers {
		b.outdated[from] = outdated{bounded(address), format, now}
	}
}
