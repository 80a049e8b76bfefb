package access

import (
	"context"
	"encoding/binary"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// TestShares: an address has its share at once and each second, a /64 is one, and none
// takes another's.
func TestShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Shares
		take := func(address string, n int) (got int) {
			for range n {
				if s.Take(netip.MustParseAddr(address)) {
					got++
				}
			}
			return got
		}
		if got := take("192.0.2.1", 100); got != 100 {
			t.Errorf("without a bound %d of 100", got)
		}
		s.Set(10)
		for _, tt := range []struct {
			address string
			want    int
		}{
			{"192.0.2.1", 10},
			{"192.0.2.1", 0},
			{"::ffff:192.0.2.1", 0},
			{"192.0.2.2", 10},
			{"2001:db8::1", 10},
			{"2001:db8::ffff:2", 0},
			{"2001:db8:0:1::1", 10},
		} {
			if got := take(tt.address, 20); got != tt.want {
				t.Errorf("%s took %d, want %d", tt.address, got, tt.want)
			}
		}
		time.Sleep(500 * time.Millisecond)
		if got := take("192.0.2.1", 20); got != 5 {
			t.Errorf("after half a second %d, want 5", got)
		}
		time.Sleep(time.Minute)
		if got := take("192.0.2.1", 20); got != 10 {
			t.Errorf("after a minute %d, want 10", got)
		}
		s.Set(0)
		if got := take("192.0.2.1", 20); got != 20 {
			t.Errorf("after the bound was lifted %d of 20", got)
		}
	})
}

// TestHold: refusals wait, and not more of them than is good.
func TestHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Shares
		start := time.Now()
		s.Hold(t.Context())
		if d := time.Since(start); d != holdTime {
			t.Errorf("waited for %v", d)
		}
		for range maxHeld {
			go s.Hold(t.Context())
		}
		synctest.Wait()
		start = time.Now()
		s.Hold(t.Context())
		if d := time.Since(start); d != 0 {
			t.Errorf("with %d waiting, another one waited for %v", maxHeld, d)
		}
		time.Sleep(holdTime)
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		start = time.Now()
		s.Hold(ctx)
		if d := time.Since(start); d != 0 || s.held.Load() != 0 {
			t.Errorf("after its end it waited for %v; %d are waiting", d, s.held.Load())
		}
	})
}

// TestSharesAreForgotten, and a flood of addresses takes bounded memory.
func TestSharesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Shares
		s.Set(10)
		refused := 0
		for i := range uint32(maxShares + 1000) {
			if !s.Take(netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, i)))) {
				refused++
			}
		}
		if len(s.full) > maxShares+1 || refused < 900 {
			t.Errorf("%d addresses are remembered; %d refused", len(s.full), refused)
		}
		time.Sleep(2 * time.Second)
		s.Take(netip.MustParseAddr("192.0.2.1"))
		if len(s.full) != 1 {
			t.Errorf("%d addresses are remembered later", len(s.full))
		}
	})
}
