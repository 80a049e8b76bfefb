package cluster

import "fmt"

// History names the database that a bridge is of: places in another one's log mean nothing
// to it, and its rows are another application's.
type History struct {
	// System is the server's system identifier, which its physical standbys share.
	System uint64 `json:"system,string"`
	// Database is the oid of the database: slots and publications are one's of a server.
	Database uint32 `json:"database"`
}

// String returns the form in the keys of Redis.
func (h History) String() string { return fmt.Sprintf("%d.%d", h.System, h.Database) }

// IsZero reports whether h names none: it is not known.
func (h History) IsZero() bool { return h == History{} }

// Epoch names one course of a History. IDs of another one mean nothing in it, but
// where only the Timeline differs: a standby that was promoted and lacks nothing
// continues.
type Epoch struct {
	// System and Database are the History's.
	System   uint64 `json:"system,string"`
	Database uint32 `json:"database"`
	// Timeline is the server's.
	Timeline uint32 `json:"timeline"`
	// Count rises when the history begins anew on one system, as after a restore.
	Count uint32 `json:"count"`
}

// History returns that of the Epoch.
func (e Epoch) History() History { return History{e.System, e.Database} }

// epochOf returns the first Epoch of a history that is known.
func epochOf(h History) Epoch { return Epoch{System: h.System, Database: h.Database} }

// String returns the form in the keys of Redis.
func (e Epoch) String() string {
	return fmt.Sprintf("%d.%d.%d.%d", e.System, e.Database, e.Timeline, e.Count)
}

// IsZero reports whether e names none.
func (e Epoch) IsZero() bool { return e == Epoch{} }

// Continues reports whether the IDs of before mean the same in e.
func (e Epoch) Continues(before Epoch) bool {
	return e.History() == before.History() && e.Count == before.Count
}

// newer reports whether e replaces other for certain: that one's leader is a server
// that was failed over from, or has not heard yet.
func (e Epoch) newer(other Epoch) bool {
	if e.History() != other.History() {
		return false
	}
	return e.Timeline > other.Timeline || e.Timeline == other.Timeline && e.Count > other.Count
}
