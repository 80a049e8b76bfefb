package engineio

import (
	"bytes"
	"encoding/base64"
)

// DecodePayload calls f for each packet of a polling body, in order, until f
// returns false. The packets alias body. A body with an invalid packet gives
// [ErrPacket] after f had the packets before it.
func DecodePayload(body []byte, f func(Packet) bool) error {
	for {
		text, rest, more := bytes.Cut(body, []byte{separator})
		p, err := DecodePacket(text)
		if err != nil {
			return err
		}
		if !f(p) || !more {
			return nil
		}
		body = rest
	}
}

// appendPayload appends m's packets to a polling body.
func appendPayload(dst []byte, m *Message) []byte {
	if m.text != nil {
		dst = appendSeparator(dst)
		dst = m.appendText(dst)
	}
	for _, b := range m.binary {
		dst = appendSeparator(dst)
		dst = append(dst, 'b')
		dst = base64.StdEncoding.AppendEncode(dst, b)
	}
	return dst
}

func appendSeparator(dst []byte) []byte {
	if len(dst) > 0 {
		dst = append(dst, separator)
	}
	return dst
}
