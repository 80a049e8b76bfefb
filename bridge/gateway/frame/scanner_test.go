package frame_test

import (
	"bufio"
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"chatbridge/bridge/gateway/frame"
)

// TestScannerFindsWhatIsWanted: in whatever pieces the bytes come, masked or not, the
// messages that are wanted are found, whole, and no others.
func TestScannerFindsWhatIsWanted(t *testing.T) {
	long := "want" + strings.Repeat("x", 70_000)
	messages := []string{"want", "", "no", "want a", long, "want" + strings.Repeat("y", 200), strings.Repeat("want", 100_000), "wan", "want z"}
	wanted := []string{"want", "want a", long, "want" + strings.Repeat("y", 200), "want z"} // not the one past Max
	for _, client := range []bool{true, false} {
		var wire []byte
		for _, m := range messages {
			wire = append(wire, written(t, client, m)...)
		}
		for _, size := range []int{1, 3, 14, 4096, len(wire)} {
			var got []string
			s := frame.Scanner{Max: 80_000, Wants: func(start []byte) bool { return bytes.HasPrefix(start, []byte("want")) }}
			for piece := range slices.Chunk(wire, size) {
				s.Scan(piece, func(m []byte) { got = append(got, string(m)) })
			}
			if !slices.Equal(got, wanted) {
				t.Errorf("client %v, pieces of %d: %d messages, want %d", client, size, len(got), len(wanted))
			}
		}
	}
}

// FuzzScanner: whatever comes, in whatever pieces, the same is found as by Read.
func FuzzScanner(f *testing.F) {
	f.Add([]byte{0x81, 0x02, 'h', 'i'}, uint64(1))
	f.Add([]byte{0x81, 0x82, 1, 2, 3, 4, 'h', 'i', 0x81, 0x00}, uint64(2))
	f.Add([]byte{0x01, 0x7e, 0x00, 0x01, 'x', 0x81, 0x01, 'y'}, uint64(3))
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		var want []string
		rest := bytes.NewReader(data)
		r := bufio.NewReaderSize(rest, 16)
		for {
			got, err := frame.Read(r, 4096)
			if err != nil {
				break
			}
			if got.IsText() && got.Raw[0] == 0x81 {
				want = append(want, string(got.Payload))
			}
		}
		var got []string
		s := frame.Scanner{Max: 4096, Wants: func([]byte) bool { return true }}
		random := rand.New(rand.NewPCG(seed, 1))
		for left := data; len(left) > 0; {
			n := 1 + random.IntN(len(left))
			s.Scan(left[:n], func(m []byte) { got = append(got, string(m)) })
			left = left[n:]
		}
		if len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
			t.Fatalf("found %q, want %q", got, want)
		}
	})
}
