package pgoutput

import "encoding/binary"

// StatusUpdate tells the server how far we are. All three places mean the
// next byte wanted: everything before is done with. They are sent as they
// are; the server takes zero as unknown and ignores a Flush that goes back.
type StatusUpdate struct {
	// Write is what has been received.
	Write LSN
	// Flush is what need never be sent again: the slot moves there.
	Flush LSN
	// Apply shows in pg_stat_replication.
	Apply LSN
	// Now is our clock.
	Now Time
	// ReplyRequested asks for a keepalive at once.
	ReplyRequested bool
}

// Append appends the frame, 34 bytes, to dst.
func (s StatusUpdate) Append(dst []byte) []byte {
	dst = append(dst, 'r')
	dst = binary.BigEndian.AppendUint64(dst, uint64(s.Write))
	dst = binary.BigEndian.AppendUint64(dst, uint64(s.Flush))
	dst = binary.BigEndian.AppendUint64(dst, uint64(s.Apply))
	dst = binary.BigEndian.AppendUint64(dst, uint64(s.Now))
	if s.ReplyRequested {
		return append(dst, 1)
	}
	return append(dst, 0)
}
