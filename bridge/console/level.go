package console

// Level is how bad something is.
type Level uint8

// The levels.
const (
	// OK: as it should be.
	OK Level = iota
	// Note: to be known, and nothing is wrong: a standby, an order of the operator's.
	Note
	// Degraded: clients are served, and something is missing, late or about to be.
	Degraded
	// Down: clients get no events here.
	Down
)

var levelNames = [...]string{"ok", "note", "degraded", "down"}

// String returns the level's name.
func (l Level) String() string { return levelNames[l] }

// MarshalText implements encoding.TextMarshaler.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }
