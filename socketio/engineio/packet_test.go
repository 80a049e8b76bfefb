package engineio_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"chatbridge/socketio/engineio"
)

func TestDecodePacket(t *testing.T) {
	for text, want := range map[string]engineio.Packet{
		"0":         {Type: engineio.PacketOpen, Data: []byte{}},
		"1":         {Type: engineio.PacketClose, Data: []byte{}},
		"2probe":    {Type: engineio.PacketPing, Data: []byte("probe")},
		"3":         {Type: engineio.PacketPong, Data: []byte{}},
		"4hello":    {Type: engineio.PacketMessage, Data: []byte("hello")},
		"4":         {Type: engineio.PacketMessage, Data: []byte{}},
		"5":         {Type: engineio.PacketUpgrade, Data: []byte{}},
		"6":         {Type: engineio.PacketNoop, Data: []byte{}},
		"bAQIDBA==": {Type: engineio.PacketMessage, Data: []byte{1, 2, 3, 4}, Binary: true},
		"bAQIDBA":   {Type: engineio.PacketMessage, Data: []byte{1, 2, 3, 4}, Binary: true},
		"bAQIDBA=":  {Type: engineio.PacketMessage, Data: []byte{1, 2, 3, 4}, Binary: true},
		"b+/8":      {Type: engineio.PacketMessage, Data: []byte{0xfb, 0xff}, Binary: true},
		"b-_8=":     {Type: engineio.PacketMessage, Data: []byte{0xfb, 0xff}, Binary: true},
		"b":         {Type: engineio.PacketMessage, Data: []byte{}, Binary: true},
		"b=":        {Type: engineio.PacketMessage, Data: []byte{}, Binary: true},
	} {
		got, err := engineio.DecodePacket([]byte(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
	for _, text := range []string{"", "7", "abc", "/", "\xff", "4\xff", "b*", "bA", "bAQIDB", "bAQ===", "bAQ=I"} {
		if p, err := engineio.DecodePacket([]byte(text)); !errors.Is(err, engineio.ErrPacket) {
			t.Errorf("%q decoded to %+v, %v", text, p, err)
		}
	}
}

// A polling body is decoded as its packets are one by one, or refused.
func FuzzDecodePayload(f *testing.F) {
	for _, seed := range []string{
		"4hello", "4a\x1e4b\x1ebAQID\x1e2", "", "\x1e", "4\x1e", "1", "b", "4é", "4\xff", "7", "6\x1e5\x1e3probe",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		parts := bytes.Split(body, []byte{0x1e})
		n := 0
		err := engineio.DecodePayload(body, func(p engineio.Packet) bool {
			single, err := engineio.DecodePacket(parts[n])
			if err != nil || cmp.Diff(single, p) != "" {
				t.Fatalf("packet %d of %q: %+v, alone %+v, %v", n, body, p, single, err)
			}
			if !p.Binary && !utf8.Valid(p.Data) {
				t.Fatalf("text packet %q is not UTF-8", p.Data)
			}
			n++
			return true
		})
		if err == nil && n != len(parts) {
			t.Fatalf("%q: %d packets of %d", body, n, len(parts))
		}
		if err != nil {
			if _, single := engineio.DecodePacket(parts[n]); single == nil {
				t.Fatalf("%q: %v for a good packet", body, err)
			}
		}
	})
}

// What a message says is the same on both transports, and can be decoded.
func FuzzMessage(f *testing.F) {
	f.Add("hello", []byte{1, 2, 3})
	f.Add("", []byte{})
	f.Add(strings.Repeat("x", 70_000), bytes.Repeat([]byte{0}, 200))
	f.Fuzz(func(t *testing.T, text string, attachment []byte) {
		text = strings.ToValidUTF8(text, "?")
		m := engineio.NewMessage([]byte(text), attachment)
		frames := engineio.Frames(t, m)
		if len(frames) != 2 || string(frames[0]) != "4"+text || !bytes.Equal(frames[1], attachment) {
			t.Fatalf("frames %q", frames)
		}
		want := "4" + text + "\x1eb" + base64.StdEncoding.EncodeToString(attachment)
		if got := engineio.Payload(m); got != want {
			t.Fatalf("payload %q, want %q", got, want)
		}
		if strings.Contains(text, "\x1e") { // it looks like two packets, in Node as well
			return
		}
		var got []string
		if err := engineio.DecodePayload([]byte(want), func(p engineio.Packet) bool {
			got = append(got, string(p.Data))
			return true
		}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{text, string(attachment)}, got); diff != "" {
			t.Fatal(diff)
		}
	})
}
