package handover

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// TestDepartures: since when a client may lack something depends on when its connection
// ended, on the process's start where that is not known, and on nothing for others.
func TestDepartures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDepartures()
		began := time.Now()
		time.Sleep(time.Hour)
		d.connected("_.a.S")
		d.connected("engine's own")
		time.Sleep(time.Hour)
		left := time.Now()
		d.ended("_.a.S", left)
		d.ended("never connected", left)
		d.ended("", left)
		time.Sleep(time.Hour)
		d.ended("_.a.S", time.Now()) // it is the first end that counts
		now := time.Now()
		for pid, want := range map[string]time.Time{
			"_.a.S": left.Add(-unnoticed), "engine's own": now.Add(-unnoticed), "_.unknown.S": began.Add(-unnoticed),
			"never connected": {}, "mabc.r.S.O": {}, "": {},
		} {
			if got := d.since(pid, now); !got.Equal(want) {
				t.Errorf("%q: since %v, want %v", pid, got, want)
			}
		}
		// It is bounded: the longest gone are forgotten, and count as not known.
		for i := range maxDepartures {
			pid := fmt.Sprintf("_.%d.S", i)
			d.connected(pid)
			d.ended(pid, now)
		}
		if got := d.since("_.a.S", now); !got.Equal(began.Add(-unnoticed)) || len(d.left) != maxDepartures+1 {
			t.Errorf("since %v, %d are remembered", got, len(d.left))
		}
	})
}
