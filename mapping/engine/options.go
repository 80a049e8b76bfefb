package engine

import (
	"time"

	"chatbridge/mapping/contract"
)

// DefaultEventBytes is the default of Options.EventBytes: 8 MiB of text of
// which each byte takes two in JSON, as quotes and line ends do, and 1 MiB for
// all else.
const DefaultEventBytes = 17 << 20

// Options sets a Mapper's bounds. The zero value of each field means its
// default.
type Options struct {
	// Lookup answers what the stream has not shown; nil for none.
	Lookup Lookup
	// Warn takes each warning as it arises, in the goroutine that feeds the
	// Mapper; nil drops them. See Warning for how often.
	Warn func(Warning)
	// EventBytes bounds an event's payload; default DefaultEventBytes. A larger
	// one is sent shortened: content is cut, media, quoted messages and other
	// large values are left away; ids and status stay. Where that is not enough
	// it is left out. Values are measured before they are copied.
	EventBytes int
	// LeftOut is called for each event that is left out, in the goroutine that
	// feeds the Mapper; nil for nobody. The slices are valid until it returns.
	LeftOut func(workspace, conversation []byte, kind contract.Kind)
	// RememberRows bounds the remembered rows (conversations, contacts, newest
	// messages, large messages) by number; default 50,000.
	RememberRows int
	// RememberBytes bounds them by size; default 64 MiB. At least
	// 4 × BatchBytes.
	RememberBytes int
	// RememberMessages bounds the fingerprints of messages of tables without
	// replica identity full; default 65,536, about 150 bytes each.
	RememberMessages int
	// RememberKept bounds the values that messages had before (`kept:` in the
	// mapping), by number; default 10,000, about 300 bytes each.
	RememberKept int
	// Refresh is how long, in commit time, a looked-up row is believed when
	// the stream does not show changes of its table; default one minute. Also
	// how long a row that a lookup did not find is taken not to exist.
	Refresh time.Duration
	// OwedRows and OwedBytes bound what is remembered of events that went out
	// short of a lookup that failed; default 10,000 rows and 8 MiB. The oldest
	// are given up first, and counted.
	OwedRows, OwedBytes int
	// BatchRows and BatchBytes bound the rows of a transaction that are mapped
	// together; default 1,024 rows and 1 MiB of values.
	BatchRows, BatchBytes int
}

func (o Options) withDefaults() Options {
	setDefault(&o.RememberRows, 50_000)
	setDefault(&o.RememberBytes, 64<<20)
	setDefault(&o.RememberMessages, 65_536)
	setDefault(&o.RememberKept, 10_000)
	setDefault(&o.EventBytes, DefaultEventBytes)
	setDefault(&o.OwedRows, 10_000)
	setDefault(&o.OwedBytes, 8<<20)
	setDefault(&o.BatchRows, 1024)
	setDefault(&o.BatchBytes, 1<<20)
	if o.Refresh <= 0 {
		o.Refresh = time.Minute
	}
	o.RememberBytes = max(o.RememberBytes, 4*o.BatchBytes)
	o.RememberRows = max(o.RememberRows, 4*o.BatchRows)
	return o
}

func setDefault(p *int, d int) {
	if *p <= 0 {
		*p = d
	}
}
