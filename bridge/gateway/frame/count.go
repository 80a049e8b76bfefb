package frame

import "encoding/binary"

// Counter counts the frames of a connection whose bytes are passed on as they come.
// It keeps no payload. The zero Counter is at the beginning of a frame. It is not for
// concurrent use.
type Counter struct {
	head   [14]byte // of a header, as much of it as has come
	length int      // of head
	skip   uint64   // bytes of the payload that are still to come
}

// Count takes the connection's next bytes and returns how many headers of frames end
// in them.
func (c *Counter) Count(p []byte) (frames int) {
	for len(p) > 0 {
		if c.skip > 0 {
			n := min(c.skip, uint64(len(p)))
			c.skip -= n
			p = p[n:]
			continue
		}
		c.head[c.length] = p[0]
		c.length++
		p = p[1:]
		if c.length < 2 || c.length < headerSize(c.head[1]) {
			continue
		}
		frames++
		c.skip, c.length = payloadLength(c.head[:]), 0
	}
	return frames
}

// headerSize is that of a header by its second byte.
func headerSize(second byte) int {
	size := 2
	switch second & 0x7f {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	if second&maskBit != 0 {
		size += 4
	}
	return size
}

// payloadLength is the length of the payload that a header announces.
func payloadLength(head []byte) uint64 {
	switch short := head[1] & 0x7f; short {
	case 126:
		return uint64(binary.BigEndian.Uint16(head[2:]))
	case 127:
		return binary.BigEndian.Uint64(head[2:])
	default:
		return uint64(short)
	}
}
