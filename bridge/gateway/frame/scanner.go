package frame

// Scanner finds text messages in the frames of a connection whose bytes are passed on as
// they come. Of what is not wanted it keeps nothing. The zero Scanner but for Wants is at
// the beginning of a frame. It is not for concurrent use.
type Scanner struct {
	// Wants decides by the first bytes of a text message whether it is kept; it gets
	// ScanBytes of them, or all.
	Wants func(start []byte) bool
	// Max bounds a message that is kept, in bytes; larger ones are passed over.
	Max int

	head   [14]byte
	length int    // of head
	skip   uint64 // bytes of the payload that are still to come
	keep   bool
	judged bool
	at     int // in the payload
	text   []byte
}

// ScanBytes is by how many bytes Wants decides.
const ScanBytes = 32

// Scan takes the connection's next bytes, and calls found with each message that is wanted
// and ends in them. The message is the callee's until it returns.
func (s *Scanner) Scan(p []byte, found func(message []byte)) {
	for len(p) > 0 {
		if s.skip > 0 {
			n := min(s.skip, uint64(len(p)))
			s.take(p[:n])
			s.skip -= n
			p = p[n:]
			s.finish(found)
			continue
		}
		s.head[s.length] = p[0]
		s.length++
		p = p[1:]
		if s.length < 2 || s.length < headerSize(s.head[1]) {
			continue
		}
		s.skip, s.length, s.at, s.text, s.judged = payloadLength(s.head[:]), 0, 0, s.text[:0], false
		s.keep = s.head[0] == finBit|opText && s.skip <= uint64(s.Max)
		s.finish(found)
	}
}

// take takes a part of a payload.
func (s *Scanner) take(p []byte) {
	for len(p) > 0 && s.keep {
		part := p
		if !s.judged {
			part = p[:min(len(p), ScanBytes-len(s.text))]
		}
		s.text = append(s.text, part...)
		s.unmask(len(part))
		p = p[len(part):]
		if !s.judged && len(s.text) == ScanBytes {
			s.judge()
		}
	}
}

// unmask unmasks the last n bytes of the text.
func (s *Scanner) unmask(n int) {
	if s.head[1]&maskBit == 0 {
		return
	}
	size := headerSize(s.head[1])
	key := s.head[size-4 : size]
	for i := len(s.text) - n; i < len(s.text); i++ {
		s.text[i] ^= key[s.at&3]
		s.at++
	}
}

func (s *Scanner) judge() { s.judged, s.keep = true, s.Wants(s.text) }

// finish ends a frame of which nothing is to come.
func (s *Scanner) finish(found func([]byte)) {
	if s.skip > 0 || !s.keep {
		return
	}
	if !s.judged {
		s.judge()
	}
	if s.keep {
		found(s.text)
	}
	s.keep = false
	if cap(s.text) > maxReused {
		s.text = nil
	}
}

// maxReused is how large a buffer is kept for the next message.
const maxReused = 4 << 10
