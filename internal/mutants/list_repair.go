package mutants

// repairs: what a gap of logical replication lost is read back from the tables.
var repairs = []Mutant{
	{
		Name: "repair: what was read back is told as lost", Why: "clients are told to reload for what they have just been sent",
		File: "bridge/pipeline/pipeline.go", Package: "bridge", Tests: []string{"TestGapsAreReadBack"},
		Old: `announced := !g.ReadBack || g.Reload`, New: `announced := true`,
	},
	{
		Name: "repair: a restore is not told", Why: "clients keep messages that do not exist any more",
		File: "bridge/pipeline/pipeline.go", Package: "bridge", Tests: []string{"TestPromotionWithoutTheSlotIsReadBack"},
		Old: `announced := !g.ReadBack || g.Reload`, New: `announced := !g.ReadBack`,
	},
	{
		Name: "repair: nothing is read back", Why: "what a gap lost stays missing though it is in the tables",
		File: "bridge/source_postgres.go", Package: "bridge", Tests: []string{"TestGapsAreReadBack"},
		Old: `s.stream.Run(ctx, s.repair.Handler(ctx, h))`, New: `s.stream.Run(ctx, h)`,
	},
	{
		Name: "repair: a transaction that was cut short counts as published", Why: "its rows are lost, and nobody is told",
		File: "source/repair/handler.go", Package: "source/repair", Tests: []string{"TestTransactionCutShort"},
		Old: "\t\tp.t.digests.Drop(p.key)\n", New: "\t\t_ = p\n",
	},
	{
		Name: "repair: an update counts as the whole row", Why: "a message that was lost, and changed after that, never comes",
		File: "source/repair/handler.go", Package: "source/repair", Tests: []string{"TestWhatDiffersIsHandedOn"},
		Old: `c.Op == source.Insert, h.tx`, New: `true, h.tx`,
	},
	{
		Name: "repair: statuses of unknown rows count as read back", Why: "a status stays wrong, and nobody is told",
		File: "source/repair/reading.go", Package: "source/repair", Tests: []string{"TestWhatTheTablesDoNotTell"},
		Old: `case known > window:`, New: `case known > window && known < 0:`,
	},
	{
		Name: "repair: what is too much is cut silently", Why: "older rows of a long gap are lost, and nobody is told",
		File: "source/repair/reading.go", Package: "source/repair", Tests: []string{"TestTooMuchIsLost"},
		Old: "\trd.found = slices.Delete(rd.found, 0, over)\n", New: "\trd.found = slices.Delete(rd.found, 0, over)\n\trd.rest.reasons = nil\n",
	},
	{
		Name: "repair: the source waits for a database for ever", Why: "one that does not answer stops all events",
		File: "source/repair/reading.go", Package: "source/repair", Tests: []string{"TestADatabaseThatDoesNotAnswer"},
		Old: `context.WithTimeout(rd.h.ctx, o.Time)`, New: `context.WithTimeout(rd.h.ctx, 100*o.Time)`,
	},
	{
		Name: "repair: places run into those of the stream", Why: "the transaction that follows is taken for one that was published",
		File: "source/repair/positions.go", Package: "source/repair", Tests: []string{"TestFewPlaces"},
		Old: `return commit, p.next >= p.end`, New: `return commit, false`,
	},
	{
		Name: "postgres: a gap comes before what is read again", Why: "statuses that were read back are followed by older ones",
		File: "source/postgres/inspection.go", Package: "source/postgres", Tests: []string{"TestGapAfterWhatIsReadAgain"},
		Old: `if p.gap == nil || reached < p.after {`, New: `if p.gap == nil {`,
	},
	{
		Name: "postgres: the window spans a gap", Why: "after a restart a client is brought up to date from a log that lacks what was read back",
		File: "source/postgres/inspection.go", Package: "source/postgres", Tests: []string{"TestGapAfterWhatIsReadAgain"},
		Old: "\tr.s.progress.release()\n", New: "",
	},
	{
		Name: "postgres: a gap ends with its stream", Why: "changes are lost, and nobody is told, where the connection breaks at that moment",
		File: "source/postgres/session.go", Package: "source/postgres", Tests: []string{"TestGapOutlivesItsStream"},
		Old: "\t\ts.pending.add(g, 0)\n", New: "\t\t_ = g\n",
	},
}
