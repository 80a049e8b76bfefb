package repair

import "testing"

// TestPlacesOfWhatIsReadBack: they rise between two transactions, as many as there is room
// for, and none can be that of a transaction.
func TestPlacesOfWhatIsReadBack(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ after, resume, n uint64 }{
		{0, 0x1000, 1}, {0x800, 0x1000, 7}, {0x800, 0x1000, 8}, {0x800, 0x1000, 100}, {0x800, 0x810, 100}, {0x800, 0x808, 3}, {0x1000, 0x800, 20}, {0x800, 0x803, 5},
	} {
		p := between(test.after, test.resume, test.n)
		before := test.after
		if before >= test.resume {
			before = 0
		}
		room := uint64(0)
		for c := before + 1; c < test.resume; c++ {
			if c%8 != 0 {
				room++
			}
		}
		got := uint64(0)
		for last := false; !last && got < 1000; got++ {
			var commit uint64
			commit, last = p.take()
			if commit <= before || commit >= test.resume || commit%8 == 0 {
				t.Fatalf("between %#x and %#x: place %#x after %#x", test.after, test.resume, commit, before)
			}
			before = commit
		}
		if got < min(test.n, room) {
			t.Errorf("between %#x and %#x: %d places for %d, with room for %d", test.after, test.resume, got, test.n, room)
		}
	}
}
