package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// FormatVersion is that of the entries and beats that this program writes, and the
// only one that it reads.
const FormatVersion = 3

// VersionError is an entry or a beat of another format.
type VersionError struct{ Version int }

func (e *VersionError) Error() string {
	return fmt.Sprintf("the leader writes format %d to Redis and this bridge reads format %d: run the same version of the bridge on all nodes of the cluster", e.Version, FormatVersion)
}

// Entry is a batch of records: all after Prev up to ID.
type Entry struct {
	Epoch    Epoch
	Prev, ID ID
	Records  []Record
}

// appendHeader appends what stands before the records.
func appendHeader(dst []byte, epoch Epoch, prev, id ID, records int) []byte {
	dst = append(dst, FormatVersion)
	dst = binary.BigEndian.AppendUint64(dst, epoch.System)
	dst = binary.BigEndian.AppendUint32(dst, epoch.Timeline)
	dst = binary.BigEndian.AppendUint32(dst, epoch.Count)
	dst = appendID(appendID(dst, prev), id)
	return binary.AppendUvarint(dst, uint64(records))
}

// Append appends the code of the entry.
func (e *Entry) Append(dst []byte) []byte {
	dst = appendHeader(dst, e.Epoch, e.Prev, e.ID, len(e.Records))
	for i := range e.Records {
		dst = append(append(dst, e.Records[i].head()...), e.Records[i].Text...)
	}
	return dst
}

// DecodeEntry reads what Append wrote, and nothing else: the records are in order,
// after Prev and not after ID. What it returns aliases data. A *VersionError is an
// entry of another format.
func DecodeEntry(data []byte) (*Entry, error) {
	e, err := decodeEntry(data)
	var version *VersionError
	if err != nil && !errors.As(err, &version) {
		err = fmt.Errorf("read an entry of the stream: %w", err)
	}
	return e, err
}

func decodeEntry(data []byte) (*Entry, error) {
	r := reader{data: data}
	if v := r.byte(); r.err == nil && v != FormatVersion {
		return nil, &VersionError{int(v)}
	}
	e := &Entry{Epoch: Epoch{r.uint64(), r.uint32(), r.uint32()}, Prev: r.id(), ID: r.id()}
	at := e.Prev
	n := r.uvarint()
	e.Records = make([]Record, 0, min(n, uint64(len(r.data)/minRecord)))
	for ; n > 0 && r.err == nil; n-- {
		rec := r.record()
		if !rec.ID.After(at) || rec.ID.After(e.ID) {
			r.fail(fmt.Errorf("record %s is not between %s and %s", rec.ID, at, e.ID))
		}
		at = rec.ID
		e.Records = append(e.Records, rec)
	}
	switch {
	case r.err != nil:
		return nil, r.err
	case len(r.data) > 0:
		return nil, fmt.Errorf("it has %d bytes too many", len(r.data))
	case !e.ID.After(e.Prev):
		return nil, fmt.Errorf("entry %s is not after %s", e.ID, e.Prev)
	}
	return e, nil
}
