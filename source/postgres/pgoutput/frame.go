package pgoutput

import "fmt"

// The first byte of the frames that come inside CopyData.
const (
	XLogDataByte  = 'w'
	KeepaliveByte = 'k'
)

// XLogData is the frame that carries one message. For logical replication
// both LSNs are that message's own, and 0 for Relation and Type: progress is
// never to be taken from them (measured on 15).
type XLogData struct {
	Start, End LSN
	// Sent is the server's clock when it sent the frame.
	Sent Time
	// Data is the message. It aliases the frame.
	Data []byte
}

// Decode reads a frame, its first byte included.
func (x *XLogData) Decode(frame []byte) error {
	const header = 1 + 8 + 8 + 8
	if len(frame) < header || frame[0] != XLogDataByte {
		return fmt.Errorf("decode XLogData: %d bytes are no frame of it", len(frame))
	}
	r := reader{b: frame[1:]}
	x.Start, x.End, x.Sent = r.lsn(), r.lsn(), r.time()
	x.Data = r.b
	return nil
}

// Keepalive is the frame that the server sends to show that it lives, and
// what it has sent.
type Keepalive struct {
	// WALEnd is a place such that every transaction that committed before it
	// has been sent earlier on this connection.
	WALEnd LSN
	// Sent is the server's clock when it sent the frame.
	Sent Time
	// ReplyRequested asks for a status update at once.
	ReplyRequested bool
}

// Decode reads a frame, its first byte included.
func (k *Keepalive) Decode(frame []byte) error {
	r := reader{b: frame}
	if r.byte() != KeepaliveByte {
		return fmt.Errorf("decode keepalive: %d bytes are no frame of it", len(frame))
	}
	k.WALEnd, k.Sent, k.ReplyRequested = r.lsn(), r.time(), r.byte() != 0
	return r.end("keepalive")
}
