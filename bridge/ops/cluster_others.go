package ops

import (
	"fmt"
	"time"
)

// ForeignBridge is one that has the cluster.name of this one and another database.
type ForeignBridge struct {
	// Bridge is its host and process, Database the server's system identifier and the oid of
	// the database.
	Bridge   string    `json:"bridge"`
	Database string    `json:"database"`
	Since    time.Time `json:"since"`
}

// DifferingBridge is one of the cluster that has a setting otherwise than this one.
type DifferingBridge struct {
	// Bridge is its host and process. Here and There are the setting's values, or
	// fingerprints of them.
	Bridge  string    `json:"bridge"`
	Setting string    `json:"setting"`
	Here    string    `json:"here"`
	There   string    `json:"there"`
	Since   time.Time `json:"since"`
	// BothLead: that one leads, and so does this.
	BothLead bool `json:"bothLead,omitempty"`
}

// Text says what differs.
func (d *DifferingBridge) Text() string {
	text := fmt.Sprintf("%s: %q here, %q at %s", d.Setting, d.Here, d.There, d.Bridge)
	if d.BothLead {
		text += "; both lead"
	}
	return text
}

// Strangers says of each bridge that does not belong to this one's cluster, or is not as the
// others, what it is and what to do.
func (c *Cluster) Strangers() (lines []string) {
	at := func(since time.Time) string { return since.UTC().Format(time.RFC3339) + " " }
	for _, f := range c.Foreign {
		lines = append(lines, at(f.Since)+fmt.Sprintf("the bridge %s has this cluster.name and another database: give each cluster a cluster.name of its own", f.Bridge))
	}
	for _, d := range c.Differing {
		lines = append(lines, at(d.Since)+fmt.Sprintf("a bridge of this cluster differs in %s: give all bridges of the cluster the same %s", d.Text(), d.Setting))
	}
	for _, address := range c.Outdated {
		lines = append(lines, fmt.Sprintf("the bridge %s has this cluster.name and another version: run the same version of the bridge on all nodes of the cluster", address))
	}
	return lines
}
