package gateway

import (
	"fmt"
	"time"
)

// State is where new sessions go.
type State int32

const (
	// Upstream: ChatEngine is healthy and serves.
	Upstream State = iota
	// Local: the bridge serves.
	Local
	// HandingBack: ChatEngine serves new sessions again, and the bridge's
	// clients are being closed in batches.
	HandingBack
)

// String is the name used in /status, metrics and logs.
func (s State) String() string {
	switch s {
	case Upstream:
		return "upstream"
	case Local:
		return "local"
	case HandingBack:
		return "handing-back"
	}
	return fmt.Sprintf("State(%d)", int32(s))
}

// MarshalText writes the state's name in JSON.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is the inverse, for readers of /status.
func (s *State) UnmarshalText(text []byte) error {
	for _, known := range []State{Upstream, Local, HandingBack} {
		if known.String() == string(text) {
			*s = known
			return nil
		}
	}
	return fmt.Errorf("unknown gateway state %q", text)
}

// Mode is the operator's order.
type Mode string

const (
	// Auto lets the health of ChatEngine decide.
	Auto Mode = "auto"
	// HoldLocal has the bridge serve, however healthy ChatEngine is: for its
	// maintenance.
	HoldLocal Mode = "hold-local"
	// HoldUpstream leaves everything to ChatEngine, however sick: nothing is
	// served locally.
	HoldUpstream Mode = "hold-upstream"
)

// ParseMode accepts the three names.
func ParseMode(s string) (Mode, error) {
	switch m := Mode(s); m {
	case Auto, HoldLocal, HoldUpstream:
		return m, nil
	}
	return "", fmt.Errorf("unknown gateway mode %q: use %s, %s or %s", s, Auto, HoldLocal, HoldUpstream)
}

// Status is the gateway's state with what led to it.
type Status struct {
	State  State     `json:"state"`
	Mode   Mode      `json:"mode"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
	// Healthy is the last probe's verdict, Probed its time (zero before the
	// first), ProbeError what was wrong.
	Healthy    bool      `json:"healthy"`
	Probed     time.Time `json:"probed,omitzero"`
	ProbeError string    `json:"probeError,omitempty"`
	// HealthySince is the time of the first of the successful probes in a row,
	// RecoverAfter how long they must go on before clients are handed back: that of
	// the options, and longer after it failed again soon.
	HealthySince time.Time `json:"healthySince,omitzero"`
	RecoverAfter string    `json:"recoverAfter"`
}
