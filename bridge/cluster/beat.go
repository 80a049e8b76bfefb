package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// beatEvery is how often a leader beats.
const beatEvery = time.Second

// Beat is the leader's heartbeat, written to Redis as JSON every second.
type Beat struct {
	Version int   `json:"v"`
	Epoch   Epoch `json:"epoch"`
	// Tail is the last entry of the stream, zero for none. Base: what came after it, up
	// to Tail, is or was in the stream. Through: what was committed before it is not
	// after Tail; 0 where that is not known.
	Tail    ID     `json:"tail"`
	Base    ID     `json:"base"`
	Through uint64 `json:"-"`
	// Leader is who leads, by host and process, Since when, and Commit when the last
	// transaction was committed that it handled.
	Leader string    `json:"leader"`
	Since  time.Time `json:"since"`
	Commit time.Time `json:"commit,omitzero"`
	// Flowing tells that changes arrive as they are committed; else State and Reason
	// are those of the leader's source.
	Flowing bool   `json:"flowing"`
	State   string `json:"state,omitempty"`
	Reason  string `json:"reason,omitempty"`
	// Stuck is for how long Redis has accepted no entry although the leader has some; 0 while
	// it does. A full Redis still accepts beats.
	Stuck time.Duration `json:"stuck,omitempty"`
	// Place is the position of the leader's source, nil if unknown.
	Place *Place `json:"place,omitempty"`
	// Restart is the last beginning of another history, nil for none.
	Restart *Restart `json:"restart,omitempty"`
	// Gaps are the recent losses, which no client is sent.
	Gaps []Gap `json:"gaps,omitempty"`
}

// Place is a position of a leader's source. The next leader's source may continue there, if
// that bridge has received all that was committed before Through.
type Place struct {
	Through uint64 `json:"through"`
	// Commit and Time are those of the last transaction before it, zero for none.
	Commit uint64    `json:"commit,omitempty"`
	Time   time.Time `json:"time,omitzero"`
	// Timeline, Database and Server identify the log that the positions are of; Server changes
	// when the server restarts.
	Timeline int64  `json:"timeline"`
	Database string `json:"database"`
	Server   string `json:"server"`
}

// Restart is where another history begins: what was lost is between Since and Until,
// and the first transaction was committed at Began.
type Restart struct {
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
	Began time.Time `json:"began,omitzero"`
}

// Gap is a loss, see source.Gap. A beat with a new one is written before the events that follow
// it.
type Gap struct {
	Since  time.Time `json:"since,omitzero"`
	Until  time.Time `json:"until"`
	Reason string    `json:"reason"`
}

// encode returns the JSON form.
func (b *Beat) encode() []byte {
	b.Version = FormatVersion
	text, _ := json.Marshal(b) // nothing in it can fail
	return text
}

// errNoBeat: what is in Redis is no beat, or has an earlier format.
var errNoBeat = errors.New("read the leader's beat from Redis: what is there is of no bridge of this version; the leader replaces it within some seconds, or else delete the key that ends in :beat")

// decodeBeat reads a beat. A *VersionError is a beat of a later format.
func decodeBeat(raw *RawBeat) (*Beat, error) {
	text := raw.Text
	var version struct {
		Version int `json:"v"`
	}
	switch err := json.Unmarshal(text, &version); {
	case err != nil:
		return nil, fmt.Errorf("%w (%w)", errNoBeat, err)
	case version.Version > FormatVersion:
		return nil, &VersionError{version.Version}
	case version.Version < FormatVersion:
		return nil, fmt.Errorf("%w (format %d)", errNoBeat, version.Version)
	case raw.Foreign:
		return nil, errNoBeat
	}
	b := &Beat{Through: raw.Through}
	if err := json.Unmarshal(text, b); err != nil {
		return nil, fmt.Errorf("%w (%w)", errNoBeat, err)
	}
	return b, nil
}
