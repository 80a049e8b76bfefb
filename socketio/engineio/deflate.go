package engineio

import (
	"bytes"
	"compress/flate"
	"sync"
)

// deflateThreshold is the size below which compressing a packet costs more than it
// saves; Node's server has the same.
const deflateThreshold = 1024

// deflate returns m's frames compressed with permessage-deflate (RFC 7692) where
// that is worth it. The server takes no context over from one message to the next,
// so the bytes are the same for all clients, and made once.
func (m *Message) deflate() []byte {
	if p := m.deflated.Load(); p != nil {
		return *p
	}
	frames := m.frames
	if m.packets() > 0 && len(frames) >= deflateThreshold {
		frames = make([]byte, 0, len(m.frames)/2)
		if m.text != nil {
			frames = appendDeflated(frames, opText, m.text)
		}
		for _, b := range m.binary {
			frames = appendDeflated(frames, opBinary, b)
		}
	}
	m.deflated.Store(&frames)
	return frames
}

// rsv1 marks a compressed message.
const rsv1 = 0x40

// appendDeflated appends data as one frame, compressed if that pays.
func appendDeflated(dst []byte, op byte, data []byte) []byte {
	if len(data) < deflateThreshold {
		return append(appendFrameHeader(dst, op, len(data)), data...)
	}
	d := deflaters.Get().(*deflater)
	defer deflaters.Put(d)
	d.out.Reset()
	d.flate.Reset(&d.out)
	// Writing to a bytes.Buffer does not fail.
	_, _ = d.flate.Write(data)
	_ = d.flate.Flush()
	out := bytes.TrimSuffix(d.out.Bytes(), []byte{0, 0, 0xff, 0xff})
	return append(appendFrameHeader(dst, op|rsv1, len(out)), out...)
}

type deflater struct {
	out   bytes.Buffer
	flate *flate.Writer
}

// deflaters keeps compressors: one takes several hundred kilobytes.
var deflaters = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(nil, flate.BestSpeed) // the level is valid
	return &deflater{flate: w}
}}
