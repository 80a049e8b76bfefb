package postgres

import (
	"context"
	"testing"
	"time"

	"chatbridge/source/postgres/pgoutput"
)

func TestNewestPlace(t *testing.T) {
	place := func(system string, timeline int64, lsn pgoutput.LSN) Place {
		return Place{System: system, Timeline: timeline, LSN: lsn}
	}
	old := Place{CommitTime: t0} // of an earlier version
	for name, c := range map[string]struct{ file, database, want Place }{
		"only the file":                 {place("1", 1, 5), Place{}, place("1", 1, 5)},
		"only the database":             {Place{}, place("1", 1, 5), place("1", 1, 5)},
		"another bridge read on":        {place("1", 1, 5), place("1", 1, 9), place("1", 1, 9)},
		"the disk was put back":         {place("1", 1, 9), place("1", 1, 5), place("1", 1, 9)},
		"a later timeline":              {place("1", 1, 9), place("1", 2, 5), place("1", 2, 5)},
		"the file is of another server": {place("2", 1, 9), place("1", 1, 5), place("1", 1, 5)},
		"the database was copied":       {place("1", 1, 5), place("2", 1, 9), place("1", 1, 5)},
		"the file is of an old version": {old, place("1", 1, 5), place("1", 1, 5)},
		"the file is old, and all":      {old, Place{}, old},
		"both are of other servers":     {place("2", 1, 5), place("3", 1, 9), place("2", 1, 5)},
		"nothing":                       {Place{}, Place{}, Place{}},
	} {
		if got := newerPlace(c.file, c.database, "1"); got.System != c.want.System || got.compare(c.want) != 0 || !got.CommitTime.Equal(c.want.CommitTime) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

type noMemory struct{ Memory }

func (noMemory) Load(context.Context) (Place, error) { return Place{}, nil }

// TestDatabaseIsLeftAlone: it is written to when something happened, and rarely
// else, because each write moves its log.
func TestDatabaseIsLeftAlone(t *testing.T) {
	const kept = 1000
	for name, c := range map[string]struct {
		lsn, may, with pgoutput.LSN
		file           bool
		want           time.Duration
	}{
		"nothing but our own write":  {lsn: kept + 100, may: kept + 100, with: kept, want: saveIdleEvery},
		"a change, held back anyway": {lsn: kept + 100, may: kept, with: kept + 50, want: saveDatabaseEvery},
		"a change that waits":        {lsn: kept + 100, may: kept + 100, with: kept + 50, want: saveWaitingEvery},
		"the same, with a file":      {lsn: kept + 100, may: kept + 100, with: kept + 50, file: true, want: saveDatabaseEvery},
		"others write much":          {lsn: kept + saveBytes, may: kept + saveBytes, with: kept, want: saveWaitingEvery},
	} {
		s := &Source{}
		if c.file {
			s.opts.Memory = noMemory{}
		}
		k := placeKeeper{s: s, database: Place{LSN: kept}, databaseAt: t0}
		for _, d := range []time.Duration{c.want - 1, c.want} {
			if got := k.dueInDatabase(Place{LSN: c.lsn}, c.may, c.with, t0.Add(d)); got != (d == c.want) {
				t.Errorf("%s: after %v: %v", name, d, got)
			}
		}
	}
}
