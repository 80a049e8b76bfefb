package handover

import (
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// engineID is a private id that was given at that time.
func engineID(began time.Time) string {
	return "_.R.0AF." + strconv.FormatInt(began.UnixMilli(), 36)
}

// TestDepartures: since when a client may lack something depends on when its connection
// ended, on when it began where that is not known, and on nothing for others.
func TestDepartures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDepartures(nil)
		began := time.Now()
		time.Sleep(time.Hour)
		d.connected("_.a.S", time.Time{})
		d.connected("engine's own", time.Time{})
		d.connected("_.owed.S", began)
		d.connected("_.was owed.S", began)
		time.Sleep(time.Hour)
		left := time.Now()
		d.ended("_.a.S", left)
		d.ended("_.owed.S", left)
		d.caughtUp("_.was owed.S")
		d.ended("_.was owed.S", left)
		d.connected("_.is owed.S", began)
		d.ended("never connected", left)
		d.ended("", left)
		time.Sleep(time.Hour)
		d.ended("_.a.S", time.Now()) // it is the first end that counts
		now := time.Now()
		for pid, want := range map[string]time.Time{
			"_.a.S": left.Add(-unnoticed), "engine's own": now.Add(-unnoticed),
			"_.owed.S": began.Add(-unnoticed), "_.was owed.S": left.Add(-unnoticed), "_.is owed.S": began.Add(-unnoticed),
			engineID(began): began.Add(-unnoticed), engineID(now.Add(unnoticed)): now,
			// Of an earlier version, of another clock, and invented ones.
			"_.unknown.S": Unknown, engineID(now.Add(time.Hour)): Unknown, "_.R.S.-1": Unknown, "_.R.S.?": Unknown, "_.R.S.0": Unknown, "_.R.S.1": Unknown,
			"never connected": {}, "mabc.r.S.O": {}, "": {},
		} {
			if got := d.since(pid, now); !got.Equal(want) {
				t.Errorf("%q: since %v, want %v", pid, got, want)
			}
		}
		// It is bounded: the longest gone are forgotten, and count as not known.
		for i := range maxDepartures {
			pid := fmt.Sprintf("_.%d.S", i)
			d.connected(pid, time.Time{})
			d.ended(pid, now)
		}
		if got := d.since("_.a.S", now); !got.Equal(Unknown) || len(d.clients) != maxDepartures+2 {
			t.Errorf("since %v, %d are remembered", got, len(d.clients))
		}
	})
}

// TestDeparturesOfTheSameID: a client that comes back under the id that it had is not
// forgotten with its earlier departure.
func TestDeparturesOfTheSameID(t *testing.T) {
	d := newDepartures(nil)
	now := time.Now()
	d.connected("own", time.Time{})
	d.ended("own", now.Add(-time.Hour))
	d.connected("own", time.Time{})
	for i := range maxDepartures {
		pid := fmt.Sprintf("_.%d.S", i)
		d.connected(pid, time.Time{})
		d.ended(pid, now)
	}
	if got := d.since("own", now); !got.Equal(now.Add(-unnoticed)) {
		t.Errorf("since %v", got)
	}
}

// TestTheClockIsSetBack: what was noted by the clock as it was is noted by the clock as it
// is, and of what comes from the future nothing is known.
func TestTheClockIsSetBack(t *testing.T) {
	d := newDepartures(nil)
	now := time.Now()
	for _, pid := range []string{"_.left.S", "_.future.S"} {
		d.connected(pid, time.Time{})
	}
	d.connected("_.owed.S", now)
	d.ended("_.left.S", now)
	d.ended("_.future.S", now.Add(3*time.Hour))
	d.setBack(time.Hour)
	for pid, want := range map[string]time.Time{
		"_.left.S": now.Add(-time.Hour - unnoticed), "_.owed.S": now.Add(-time.Hour - unnoticed), "_.future.S": Unknown,
	} {
		if got := d.since(pid, now); !got.Equal(want) {
			t.Errorf("%q: since %v, want %v", pid, got, want)
		}
	}
}
