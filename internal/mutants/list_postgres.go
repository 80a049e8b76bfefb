package mutants

// postgres: what is confirmed to the server is gone there.
var postgres = []Mutant{
	{
		Name: "postgres: confirmed before the handler's Commit", Why: "a transaction that the handler refuses, or a kill, loses it",
		File: "source/postgres/dispatch.go", Package: "source/postgres", Tests: []string{"TestNothingIsConfirmedBeforeTheHandlersCommit"},
		Old: "\tif err := r.handler.Commit(r.tx); err != nil {\n",
		New: "\tr.s.progress.commit(m.EndLSN, r.tx.Time, x.Sent.Std(), time.Now())\n\tif err := r.handler.Commit(r.tx); err != nil {\n",
	},
	{
		Name: "postgres: a keepalive within a transaction is confirmed", Why: "a kill in the middle of a transaction loses it",
		File: "source/postgres/progress.go", Package: "source/postgres", Tests: []string{"TestProgressWithoutRetention"},
		Old: "\tif p.open.IsZero() {\n\t\tp.delay = 0\n", New: "\tif !p.sent.IsZero() {\n\t\tp.delay = 0\n",
	},
	{
		Name: "postgres: one byte more is confirmed", Why: "the server may leave out the transaction that begins there",
		File: "source/postgres/progress.go", Package: "source/postgres", Tests: []string{"TestProgressRetains"},
		Old: `return p.handled, p.confirmed`, New: `return p.handled, p.confirmed + 1`,
	},
	{
		Name: "postgres: the window is confirmed at once", Why: "a bridge that is killed starts with an empty log",
		File: "source/postgres/progress.go", Package: "source/postgres", Tests: []string{"TestProgressRetains"},
		Old: `aged := !p.sent.IsZero() && !m.last.After(old)`, New: `aged := !p.sent.IsZero() || !m.last.After(old)`,
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
		File: "source/postgres/slot.go", Package: "source/postgres", Tests: []string{"TestASlotThatMovedOnIsAGap"},
		Old: `if reached == 0 || l.confirmed <= reached {`, New: `if reached == 0 || l.confirmed >= reached {`,
	},
	{
		Name: "postgres: a slot made anew by hand is made anew again", Why: "what it holds is thrown away",
		File: "source/postgres/slot.go", Package: "source/postgres", Tests: []string{"TestASlotMadeAnewByHandIsKept"},
		Old: `case reached != 0 && l.confirmed > reached:`, New: `case reached != 0 && l.confirmed > reached && s.lostReason == "":`,
	},
	{
		Name: "postgres: making the slot anew is no gap", Why: "what was committed meanwhile is missing, and nobody says so",
		File: "source/postgres/slot.go", Package: "source/postgres", Tests: []string{"TestMissingSlot"},
		Old: `s.progress.reached() == 0 && s.lostReason == "" && s.opts.LastDelivered.IsZero()`, New: `s.progress.reached() == 0 && s.lostReason == ""`,
	},
	{
		Name: "postgres: a place of another history", Why: "after a restore the server leaves out all that comes before the old place",
		File: "source/postgres/session.go", Package: "source/postgres", Tests: []string{"TestOtherHistoryWithAnEarlierSlot"},
		Old: `if from != 0 && (id != s.history || from > end) {`, New: `if from != 0 && from > end {`,
	},
	{
		Name: "postgres: a shutdown confirms the window", Why: "after each restart of Postgres the log is empty",
		File: "source/postgres/read.go", Package: "source/postgres", Tests: []string{"TestAShutdownConfirmsNothing"},
		Old: `if r.idle.shutdown(k, now) && r.s.progress.retains() {`, New: `if r.idle.shutdown(k, now) && !r.s.progress.retains() {`,
	},
	{
		Name: "postgres: values that were not sent count as null", Why: "a long message becomes empty when its status changes",
		File: "source/postgres/dispatch.go", Package: "source/postgres", Tests: []string{"TestUnchangedOutOfLineValues"},
		Old: "\t\tif row[i].Kind != source.Unchanged {\n\t\t\tcontinue\n\t\t}\n", New: "\t\tif row[i].Kind != source.Unchanged {\n\t\t\tcontinue\n\t\t}\n\t\tif kind == pgoutput.OldNone {\n\t\t\trow[i].Kind = source.Null\n\t\t\tcontinue\n\t\t}\n",
	},
	{
		Name: "postgres: a living reader is ended", Why: "two bridges kill each other for ever",
		File: "source/postgres/slot.go", Package: "source/postgres", Tests: []string{"TestStandbyTakesOver"},
		Old: `case ours && silence > s.opts.HolderSilence:`, New: `case ours && silence < s.opts.HolderSilence:`,
	},
}
