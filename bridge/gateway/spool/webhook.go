package spool

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"net/http"
	"slices"
	"time"
)

// Webhook is a request as it is to go to ChatEngine.
type Webhook struct {
	// Path and Query are as they came, still escaped.
	Path, Query string
	// Header has no hop-by-hop headers.
	Header http.Header
	Body   []byte
	// From is the client's address.
	From string
}

// record is what the file has of a webhook beside its body. Headers and query are
// bytes, because JSON would replace what is not UTF-8.
type record struct {
	Kept time.Time `json:"kept"`
	// Queued is Kept, or when an operator had a dead letter sent again.
	Queued time.Time `json:"queued"`
	Path   string    `json:"path"`
	Query  []byte    `json:"query,omitempty"`
	Header []line    `json:"header"`
	From   string    `json:"from"`
	Sender string    `json:"sender,omitempty"`
	Size   int       `json:"size"`
	CRC    uint32    `json:"crc"`
	// Cost is what it counts towards Options.MaxBytes.
	Cost int64 `json:"cost"`

	// Attempts have been made; Failures of them may be the webhook's own doing.
	Attempts int       `json:"attempts,omitempty"`
	Failures int       `json:"failures,omitempty"`
	Next     time.Time `json:"next,omitzero"` // not before
	Error    string    `json:"error,omitempty"`
	Died     time.Time `json:"died,omitzero"`

	id uint64
}

// line is one line of the header.
type line struct {
	Name  string `json:"n"`
	Value []byte `json:"v"`
}

// overhead is what one webhook costs beside its header and body: it bounds how
// many there can be.
const overhead = 512

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func newRecord(w *Webhook, now time.Time) *record {
	r := &record{
		Kept: now.UTC(), Queued: now.UTC(), Path: w.Path, Query: []byte(w.Query), From: w.From, Sender: senderOf(w.Body),
		Size: len(w.Body), CRC: crc32.Checksum(w.Body, castagnoli),
	}
	r.Cost = overhead + int64(len(w.Body)+len(w.Path)+len(w.Query))
	names := make([]string, 0, len(w.Header))
	for name := range w.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range w.Header[name] {
			r.Header = append(r.Header, line{name, []byte(value)})
			r.Cost += int64(len(name) + len(value))
		}
	}
	return r
}

// webhook returns the webhook of a record and its body, or an error where the body
// is not what was kept.
func (r *record) webhook(body []byte) (*Webhook, error) {
	if len(body) != r.Size || crc32.Checksum(body, castagnoli) != r.CRC {
		return nil, fmt.Errorf("%w: the body is not what was kept", errDamaged)
	}
	w := &Webhook{Path: r.Path, Query: string(r.Query), Header: make(http.Header, len(r.Header)), Body: body, From: r.From}
	for _, l := range r.Header {
		w.Header[l.Name] = append(w.Header[l.Name], string(l.Value))
	}
	return w, nil
}

// lane names those whose order is kept among themselves.
func (r *record) lane() string { return r.Path + "\x00" + r.Sender }

// maxSender bounds a sender's name, in bytes.
const maxSender = 128

// senderOf returns the `instance` of a body, empty for none.
func senderOf(body []byte) string {
	var b struct {
		Instance json.RawMessage `json:"instance"`
	}
	if json.Unmarshal(body, &b) != nil {
		return ""
	}
	var name string
	var object struct {
		Name string `json:"instanceName"`
	}
	if json.Unmarshal(b.Instance, &name) != nil && json.Unmarshal(b.Instance, &object) == nil {
		name = object.Name
	}
	return name[:min(len(name), maxSender)]
}
