package mutants

// ledger: what was published of each row is kept over a restart.
var ledger = []Mutant{
	{
		Name: "ledger: an entry's checksum is not looked at", Why: "a damaged file makes a status count as published that never was",
		File: "source/ledgerfile/store.go", Package: "source/ledgerfile", Tests: []string{"FuzzDamage"},
		Old: `return value, bytes.Equal(appendSum(nil, key, value), sealed[:sumLen])`, New: `return value, true`,
	},
	{
		Name: "ledger: a fault of the file is one of the process", Why: "a torn file ends the bridge at each start",
		File: "internal/durable/durable.go", Package: "source/ledgerfile", Tests: []string{"FuzzDamage"},
		Old: "\tdefer debug.SetPanicOnFault(debug.SetPanicOnFault(true))\n", New: "\tdefer debug.SetPanicOnFault(debug.SetPanicOnFault(false))\n",
	},
	{
		Name: "ledger: another database's rows count", Why: "after a move to another project its rows are compared with the old one's",
		File: "source/ledgerfile/store.go", Package: "source/ledgerfile", Tests: []string{"TestAFileThatIsOfNoUse"},
		Old: `case string(meta.Get(identityKey)) != identity:`, New: `case len(meta.Get(identityKey)) == 0:`,
	},
	{
		Name: "ledger: rows that were left out are not told of", Why: "after a start they are published as new, thousands of them",
		File: "source/ledgerfile/rewrite.go", Package: "source/ledgerfile", Tests: []string{"TestTheFileKeepsItsBound"},
		Old: "\t\tf.leftOut = max(f.leftOut, all[leftOut].at+1)\n", New: "",
	},
	{
		Name: "ledger: without a bound", Why: "the file fills the disk",
		File: "source/ledgerfile/store.go", Package: "source/ledgerfile", Tests: []string{"TestTheFileKeepsItsBound"},
		Old: `o.MaxSize = int(maxBytes)`, New: `o.MaxSize = int(maxBytes) * 8`,
	},
	{
		Name: "ledger: two processes share a file", Why: "one overwrites what the other remembers",
		File: "source/ledgerfile/lock_unix.go", Package: "source/ledgerfile", Tests: []string{"TestAFileInUse"},
		Old: `syscall.LOCK_EX|syscall.LOCK_NB`, New: `syscall.LOCK_SH|syscall.LOCK_NB`,
	},
	{
		Name: "ledger: a file that was deleted is still written", Why: "the ledger is gone after the next start",
		File: "source/ledgerfile/write.go", Package: "source/ledgerfile", Tests: []string{"TestAPathThatCannotBeWritten"},
		Old: `f.store == nil || f.replaced()`, New: `f.store == nil`,
	},
	{
		Name: "ledger: what could not be written is forgotten", Why: "after a full disk the file has rows as they were before, for good",
		File: "source/ledgerfile/write.go", Package: "source/ledgerfile", Tests: []string{"TestAFullDisk"},
		Old: "\t\t\tf.MarkAll() // what the file has is not known for sure\n", New: "",
	},
	{
		Name: "ledger: rows wait without a bound", Why: "a disk that hangs costs the bridge its memory",
		File: "source/ledgerfile/file.go", Package: "source/ledgerfile", Tests: []string{"TestMarkingDoesNotWait"},
		Old: `if f.waiting > maxPending {`, New: `if f.waiting < 0 {`,
	},
	{
		Name: "ledger: what the first comparison does not know is old", Why: "messages from the beginning of a stop are lost, and nobody says so",
		File: "source/realtime/scan.go", Package: "source/realtime", Tests: []string{"TestAStopWithinTheWindow"},
		Old: `if kept := t.Since(); !kept.IsZero() {`, New: `if kept := t.Since(); kept.IsZero() {`,
	},
	{
		Name: "ledger: what was published last is not published again", Why: "what clients had not received when the bridge ended is lost",
		File: "source/reconcile/ledger.go", Package: "source/realtime", Tests: []string{"TestWhatWasPublishedRightBeforeTheEnd"},
		Old: `case e.Same(s) && !e.Again:`, New: `case e.Same(s):`,
	},
	{
		Name: "ledger: what is published again is compared with itself", Why: "an update that changes nothing is no event: the status is lost",
		File: "source/reconcile/changes.go", Package: "source/reconcile", Tests: []string{"TestChangesOfARowPublishedAgain"},
		Old: `if !e.Again {`, New: `if e != nil {`,
	},
	{
		Name: "ledger: a new row that is published again is an update", Why: "a message that was inserted right before the end is lost",
		File: "source/reconcile/ledger.go", Package: "source/realtime", Tests: []string{"TestWhatWasPublishedRightBeforeTheEnd"},
		Old: `if e.Created >= again {`, New: `if e.Created < 0 {`,
	},
	{
		Name: "ledger: a long stop is none", Why: "what happened before the window is lost, and nobody says so",
		File: "source/realtime/reconciler.go", Package: "source/realtime", Tests: []string{"TestAStopLongerThanTheWindow"},
		Old: `out = g.Until.Sub(g.Since)`, New: `out = 0`,
	},
	{
		Name: "ledger: comparisons do not move its end", Why: "each start tells of a gap since the first one",
		File: "source/realtime/reconciler.go", Package: "source/realtime", Tests: []string{"TestAStopLongerThanTheWindow"},
		Old: `if r.s.kept != nil {
		r.s.kept.Published(`, New: `if r.s.kept != nil && r.lastFull == 0 {
		r.s.kept.Published(`,
	},
	{
		Name: "ledger: a lost one is not told of", Why: "clients show old statuses, and nobody says so",
		File: "source/realtime/reconciler.go", Package: "source/realtime", Tests: []string{"TestALedgerOfNoUse"},
		Old: `case unusable != "":`, New: `case unusable == "never":`,
	},
	{
		Name: "ledger: sketches of other columns are compared", Why: "a start after a change of columns publishes the whole window",
		File: "source/reconcile/table.go", Package: "source/realtime", Tests: []string{"TestALedgerOfNoUse"},
		Old: "\t\tt.Ledger.Clear()\n\t\tt.since = 0\n", New: "",
	},
	{
		Name: "ledger: what repair remembers does not come back", Why: "after a start without a slot, statuses of older messages stay wrong",
		File: "source/repair/kept.go", Package: "source/repair", Tests: []string{"TestRemembersOverARestart"},
		Old: "\t\t\tt.digests.Restore(loaded[t.name], h.Since, last-replay.Microseconds())\n", New: "",
	},
	{
		Name: "ledger: digests of what was published last count", Why: "what clients had not received when the bridge ended is lost with the slot",
		File: "source/reconcile/keptdigests.go", Package: "source/repair", Tests: []string{"TestRemembersOverARestart"},
		Old: `if k.until >= again {`, New: `if k.until < 0 {`,
	},
	{
		Name: "ledger: digests of other columns count", Why: "after a change of the mapping, every message of the window is sent again",
		File: "source/repair/kept.go", Package: "source/repair", Tests: []string{"TestRemembersOverARestart"},
		Old: "\t\t\tt.setCompared(h.Watch, h.Updated)\n", New: "\t\t\tt.bound = true\n",
	},
	{
		Name: "ledger: positions begin with what is published first", Why: "after every restart clients are told of a gap and load everything again",
		File: "source/realtime/publisher.go", Package: "source/realtime", Tests: []string{"TestAStopWithinTheWindow"},
		Old: `if p.last == 0 && p.s.kept != nil {`, New: `if p.last == 1 && p.s.kept != nil {`,
	},
	{
		Name: "ledger: an end before the first comparison forgets", Why: "a bridge that is restarted twice loses what changed",
		File: "source/reconcile/table.go", Package: "source/realtime", Tests: []string{"TestAnEndBeforeTheFirstComparison"},
		Old: `if !t.described && t.restored != nil {`, New: `if t.described && t.restored != nil {`,
	},
}
