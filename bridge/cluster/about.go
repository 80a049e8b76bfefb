package cluster

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// About is what a node says of itself every second, beside its address: by it the others
// tell whether it belongs to them. Its JSON form is in a hello.
type About struct {
	// Name is host and process.
	Name string `json:"name"`
	// Leads: it has the slot.
	Leads bool `json:"leads,omitempty"`
	// Prints are the settings that all nodes of a cluster must have the same, by key: a
	// short value, or a fingerprint of a long one. None may tell a secret.
	Prints map[string]string `json:"prints,omitempty"`
	// Secret is what other nodes show it.
	Secret string `json:"secret,omitempty"`
}

const (
	// maxPrints, maxText and maxSecret bound what is taken of another node's About.
	maxPrints, maxText, maxSecret = 32, 128, 256
)

func (a *About) encode() []byte {
	text, _ := json.Marshal(a) // nothing in it can fail
	return text
}

// decodeAbout reads what encode wrote, as far as it is within bounds.
func decodeAbout(text []byte) (a About) {
	if json.Unmarshal(text, &a) != nil || len(a.Prints) > maxPrints || len(a.Secret) > maxSecret {
		return About{}
	}
	a.Name = bounded(a.Name)
	prints := make(map[string]string, len(a.Prints))
	for key, value := range a.Prints {
		prints[bounded(key)] = bounded(value)
	}
	a.Prints = prints
	return a
}

// bounded makes what another node says fit for a line of the log.
func bounded(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), maxText)], "?")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}

// Difference is a setting that another node has otherwise than this one; Here and There are
// its prints.
type Difference struct {
	Setting, Here, There string
}

// Differences are the settings that both name and have differently, in the order of their
// keys.
func (a *About) Differences(other *About) (all []Difference) {
	for _, key := range slices.Sorted(maps.Keys(a.Prints)) {
		if there, ok := other.Prints[key]; ok && there != a.Prints[key] {
			all = append(all, Difference{key, a.Prints[key], there})
		}
	}
	return all
}

// Others are the nodes that are heard under the cluster's name.
type Others struct {
	// Same are of this node's database, Foreign of another one: nothing of theirs is obeyed
	// or passed on. Of the Unknown either of the two does not know which it is of.
	Same, Foreign, Unknown []Peer
	// Outdated are where those serve that speak another format, by address, "" for one that
	// does not say; Format is the format of one.
	Outdated []string
	Format   int
}

// Whereabouts says where a node of Outdated is.
func Whereabouts(address string) string {
	return cmp.Or(address, "at an address that it does not tell")
}

// NameRemedy is what to do about nodes of several databases under one name.
const NameRemedy = "give each cluster a cluster.name of its own"

// outdated is a node of another format.
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

// meetOutdated takes a hello of another format: what is known of any is who tells it and
// where it serves.
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
