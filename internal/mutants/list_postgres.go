package mutants

// postgres: what is confirmed to the server is gone there.
var postgres = []Mutant{
	{
		Name: "postgres: confirmed before the handler's Commit", Why: "a transaction that the handler refuses, or a kill, loses it",
		File: "source/postgres/messages.go", Package: "source/postgres", Tests: []string{"TestNothingIsConfirmedBeforeTheHandlersCommit"},
		Old: "\tif err := r.handler.Commit(r.tx); err != nil {\n",
		New: "\tr.s.progress.commit(transactionID{pgoutput.LSN(r.tx.Commit), r.tx.Time}, m.EndLSN, x.Sent.Std(), time.Now(), true)\n\tif err := r.handler.Commit(r.tx); err != nil {\n",
	},
	{
		Name: "postgres: a keepalive within a transaction is confirmed", Why: "a kill in the middle of a transaction loses it",
		File: "source/postgres/progress.go", Package: "source/postgres", Tests: []string{"TestProgressWithoutRetention"},
		Old: "\tif !p.open {\n\t\tp.delay = 0\n", New: "\tif true {\n\t\tp.delay = 0\n",
	},
	{
		Name: "postgres: a place that is handed over counts as of this server", Why: "where the disk was put back meanwhile, what the new history has before it is skipped in silence",
		File: "source/postgres/handover.go", Package: "source/postgres", Tests: []string{"TestAPlaceOfAnotherHistoryIsNotGoneOnFrom"},
		Old: "started: at.Started})", New: "started: slot.started})",
	},
	{
		Name: "postgres: a place that is handed over is confirmed", Why: "the window is gone for the bridge that starts after it",
		File: "source/postgres/progress.go", Package: "source/postgres", Tests: []string{"TestAnotherGoesOnWhereOneWas"},
		Old: "p.handled, p.last, p.lastCommit = lsn, last, last.time", New: "p.handled, p.ready, p.confirmed, p.last, p.lastCommit = lsn, lsn, lsn, last, last.time",
	},
	{
		Name: "postgres: what another bridge delivered is not expected", Why: "where the database is put back and a bridge leads that never did, its clients keep what is undone, and lack what comes at places that they know",
		File: "source/postgres/placekeeper.go", Package: "source/postgres", Tests: []string{"TestWhatAnotherDeliveredIsExpected"},
		Old: "\tk.recallDelivered(ctx, system, slot)\n", New: "",
	},
	{
		Name: "postgres: a place that is handed over is compared by its own transaction alone", Why: "where the database is put back to between that and what was delivered after it, nobody is told",
		File: "source/postgres/handover.go", Package: "source/postgres", Tests: []string{"TestWhatAnotherDeliveredIsExpected"},
		Old: "found.commit > last.commit && s", New: "false && s",
	},
	{
		Name: "postgres: a spare does not look at what the database remembers", Why: "where the database is put back and the spare is the first to have the slot, nobody is told",
		File: "source/postgres/slot.go", Package: "source/postgres", Tests: []string{"TestASpareKnowsWhatTheDatabaseRemembered"},
		Old: "\t\t\ts.keeper.pollMemory(ctx, c, time.Now())\n", New: "",
	},
	{
		Name: "postgres: one byte more is confirmed", Why: "the server may leave out the transaction that begins there",
		File: "source/postgres/progress.go", Package: "source/postgres", Tests: []string{"TestProgressRetains"},
		Old: `return p.handled, p.confirmed`, New: `return p.handled, p.confirmed + 1`,
	},
	{
		Name: "postgres: the window is confirmed at once", Why: "a bridge that is killed starts with an empty log",
		File: "source/postgres/progress.go", Package: "source/postgres", Tests: []string{"TestProgressRetains"},
		Old: `aged := now.Sub(m.last) >= p.retain`, New: `aged := true`,
	},
	{
		Name: "postgres: places age by the commit that went back", Why: "an earlier transaction is confirmed before its time",
		File: "source/postgres/progress.go", Package: "source/postgres", Tests: []string{"TestProgressCommitTimesMayGoBack"},
		Old: "\t\tif t.Before(m.last) {\n\t\t\tt = m.last\n\t\t}\n", New: "",
	},
	{
		Name: "postgres: the window may cost the slot", Why: "holding the log back for the next start loses the slot",
		File: "source/postgres/progress.go", Package: "source/postgres", Tests: []string{"TestProgressYieldsToTheLimit"},
		Old: `if !aged && !heavy {`, New: `if !aged && (!heavy || p.limit > 0) {`,
	},
	{
		Name: "postgres: a slot that another moved on is no gap", Why: "what the other one read is missing here, and nobody says so",
		File: "source/postgres/continuity.go", Package: "source/postgres", Tests: []string{"TestASlotThatMovedOnIsAGap"},
		Old: `case slot.confirmed > reached:`, New: `case false:`,
	},
	{
		Name: "postgres: a slot made anew by hand is made anew again", Why: "what it holds is thrown away",
		File: "source/postgres/slot.go", Package: "source/postgres", Tests: []string{"TestASlotMadeAnewByHandIsKept"},
		Old: `case reached != 0 && slot.confirmed > reached:`, New: `case reached != 0 && slot.confirmed > reached && s.lostReason == "":`,
	},
	{
		Name: "postgres: making the slot anew is no gap", Why: "what was committed meanwhile is missing, and nobody says so",
		File: "source/postgres/slot.go", Package: "source/postgres", Tests: []string{"TestMissingSlot"},
		Old: `reached == 0 && s.lostReason == "" && s.keeper.found.IsZero()`, New: `reached == 0 && s.lostReason == ""`,
	},
	{
		Name: "postgres: a place of another history", Why: "after a restore the server leaves out all that comes before the old place",
		File: "source/postgres/continuity.go", Package: "source/postgres", Tests: []string{"TestWhatPartsTwoHistories"},
		Old: `case known.system != id.system:`, New: `case false:`,
	},
	{
		Name: "postgres: a shutdown confirms the window", Why: "after each restart of Postgres the log is empty",
		File: "source/postgres/read.go", Package: "source/postgres", Tests: []string{"TestAShutdownConfirmsNothing"},
		Old: `if r.shutdown.observe(k, now) && r.s.progress.retains() {`, New: `if r.shutdown.observe(k, now) && !r.s.progress.retains() {`,
	},
	{
		Name: "postgres: values that were not sent count as null", Why: "a long message becomes empty when its status changes",
		File: "source/postgres/messages.go", Package: "source/postgres", Tests: []string{"TestUnchangedOutOfLineValues"},
		Old: "\t\tif row[i].Kind != source.Unchanged {\n\t\t\tcontinue\n\t\t}\n", New: "\t\tif row[i].Kind != source.Unchanged {\n\t\t\tcontinue\n\t\t}\n\t\tif kind == pgoutput.OldNone {\n\t\t\trow[i].Kind = source.Null\n\t\t\tcontinue\n\t\t}\n",
	},
	{
		Name: "postgres: a snapshot that was put back is the history it was", Why: "clients keep messages that no longer exist, and lack those that took their place",
		File: "source/postgres/continuity.go", Package: "source/postgres", Tests: []string{"TestSnapshotPutBack"},
		Old: "	case id.commit > want.commit, !id.time.Equal(want.time):\n		return errOtherHistory\n", New: "",
	},
	{
		Name: "postgres: nothing is remembered over a restart", Why: "a slot that was dropped while the bridge was down is taken for a first start",
		File: "source/postgres/slot.go", Package: "source/postgres", Tests: []string{"TestSlotChangesWhileNoBridgeRuns"},
		Old: `		case reached != 0:
`, New: `		case reached != 0, slot.activePID == 0:
`,
	},
	{
		Name: "postgres: a living reader is ended", Why: "two bridges kill each other for ever",
		File: "source/postgres/standby.go", Package: "source/postgres", Tests: []string{"TestHoldersClockDoesNotMatter"},
		Old: `case reader.ours && age > s.opts.HolderTimeout:`, New: `case reader.ours && age < s.opts.HolderTimeout:`,
	},
	{
		Name: "postgres: a bridge that lost the slot saves its place", Why: "it takes back what the next one saved; whoever reads then reports all since as lost",
		File: "source/postgres/largeobject.go", Package: "source/postgres", Tests: []string{"TestOneThatLostTheSlotTakesNothingBack"},
		Old: "where slot_name = $3 and active_pid = $4`", New: "where slot_name = $3 and $4 = $4`",
	},
	{
		Name: "postgres: rivals are not looked for", Why: "a bridge that was started by mistake with the default slot is noticed by nobody",
		File: "source/postgres/rival.go", Package: "source/postgres", Tests: []string{"TestRivalsWarnOfEachOther"},
		Old: "return b.Joined(s.opts.Self) ||", New: "return true || b.Joined(s.opts.Self) ||",
	},
	{
		Name: "postgres: a slot of two clusters counts as one with a spare", Why: "the bridges of the cluster that waits serve nobody, and nobody is told why",
		File: "source/postgres/rival.go", Package: "source/postgres", Tests: []string{"TestRivalsWarnOfEachOther"},
		Old: ` && b.Cluster == "" && s.opts.Self.Cluster == ""`, New: "",
	},
}
