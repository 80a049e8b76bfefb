package cluster

import "fmt"

// Epoch names a history of a database. IDs of another one mean nothing in it, but
// where only the Timeline differs: a standby that was promoted and lacks nothing
// continues.
type Epoch struct {
	// System is the server's system identifier.
	System uint64 `json:"system,string"`
	// Timeline is the server's.
	Timeline uint32 `json:"timeline"`
	// Count rises when the history begins anew on one system, as after a restore.
	Count uint32 `json:"count"`
}

// String returns the form in the keys of Redis.
func (e Epoch) String() string { return fmt.Sprintf("%d.%d.%d", e.System, e.Timeline, e.Count) }

// IsZero reports whether e names none.
func (e Epoch) IsZero() bool { return e == Epoch{} }

// Continues reports whether the IDs of before mean the same in e.
func (e Epoch) Continues(before Epoch) bool {
	return e.System == before.System && e.Count == before.Count
}

// newer reports whether e replaces other for certain: that one's leader is a server
// that was failed over from, or has not heard yet.
func (e Epoch) newer(other Epoch) bool {
	if e.System != other.System {
		return false
	}
	return e.Timeline > other.Timeline || e.Timeline == other.Timeline && e.Count > other.Count
}
