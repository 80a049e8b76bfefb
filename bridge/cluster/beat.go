package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// beatEvery is how often a leader beats.
const beatEvery = time.Second

// Beat is what the leader says every second. Its JSON form is in Redis.
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
	// Stuck is for how long Redis has taken nothing of what the leader has for it; 0 where
	// it does. A full Redis still takes beats.
	Stuck time.Duration `json:"stuck,omitempty"`
	// Place is where the leader's source was, nil where that is not known.
	Place *Place `json:"place,omitempty"`
	// Restart is the last beginning of another history, nil for none.
	Restart *Restart `json:"restart,omitempty"`
	// Gaps are what nobody is given, as of the recent past.
	Gaps []Gap `json:"gaps,omitempty"`
}

// Place is where a leader's source was: that of the next leader may go on there, if that
// bridge was given all that was committed before Through.
type Place struct {
	Through uint64 `json:"through"`
	// Commit and Time are those of the last transaction before it, zero for none.
	Commit uint64    `json:"commit,omitempty"`
	Time   time.Time `json:"time,omitzero"`
	// Timeline, Database and Server are whose places these are; Server is one life of it.
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

// Gap is what nobody is given, see source.Gap. A beat with a new one comes before all
// that follows it.
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

// errNoBeat is what was no beat, or one of an earlier format.
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
