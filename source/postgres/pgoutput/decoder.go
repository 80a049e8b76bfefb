package pgoutput

import (
	"errors"
	"fmt"
)

var (
	errEmpty      = errors.New("decode message: it is empty")
	errTupleShort = errors.New("decode tuple: it is cut short")
)

// Message is one of *Begin, *Commit, *Origin, *LogicalMessage, *Relation,
// *Type, *Insert, *Update, *Delete and *Truncate.
type Message interface{ decode(r *reader) error }

// Decoder decodes messages into structs of its own, which the next Decode
// overwrites. The zero Decoder is ready. It is for one goroutine.
type Decoder struct {
	r reader

	begin    Begin
	commit   Commit
	origin   Origin
	message  LogicalMessage
	relation Relation
	typ      Type
	insert   Insert
	update   Update
	delete   Delete
	truncate Truncate
}

// Decode decodes the message that an XLogData frame carries. What it returns
// is valid until the next call and aliases data, except that a Relation's and
// a Type's parts are copies. Whatever data holds, it does not panic; anything
// but a whole message of protocol version 1 is an error.
func (d *Decoder) Decode(data []byte) (Message, error) {
	if len(data) == 0 {
		return nil, errEmpty
	}
	var m Message
	switch data[0] {
	case 'I':
		m = &d.insert
	case 'U':
		m = &d.update
	case 'B':
		m = &d.begin
	case 'C':
		m = &d.commit
	case 'D':
		m = &d.delete
	case 'R':
		m = &d.relation
	case 'Y':
		m = &d.typ
	case 'T':
		m = &d.truncate
	case 'O':
		m = &d.origin
	case 'M':
		m = &d.message
	case 'S', 'E', 'c', 'A', 'b', 'P', 'K', 'r', 'p':
		return nil, fmt.Errorf("decode message: %q belongs to protocol version 2 or later, which was not asked for", data[0])
	default:
		return nil, fmt.Errorf("decode message: %q is no known message", data[0])
	}
	// The reader is the Decoder's because a local one would escape to the heap.
	d.r = reader{b: data[1:]}
	if err := m.decode(&d.r); err != nil {
		return nil, err
	}
	return m, nil
}
