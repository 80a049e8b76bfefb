package mutants

// realtime: what Supabase Realtime loses is read back.
var realtime = []Mutant{
	{
		Name: "realtime: a gap is closed by an older pass", Why: "what was lost after that pass began is never read back",
		File: "source/realtime/requests.go", Package: "source/realtime", Tests: []string{"TestAGapDuringAPassStaysOpen"},
		Old: "\tq.doneGen = gen\n", New: "\tq.doneGen = q.gapGen\n",
	},
	{
		Name: "realtime: a gap is read back over the recent past only", Why: "rows lost before that stay missing",
		File: "source/realtime/reconciler.go", Package: "source/realtime", Tests: []string{"TestAGapIsReadBackOverTheWindow"},
		Old: `full := p.gap || p.planned ||`, New: `full := p.planned ||`,
	},
	{
		Name: "realtime: what is out of reach is not reported", Why: "a table without times loses rows, and nobody says so",
		File: "source/realtime/reconciler.go", Package: "source/realtime", Tests: []string{"TestWhatCannotBeReadBackIsReported"},
		Old: `case len(lost) > 0:`, New: `case len(lost) > len(r.s.tables.list):`,
	},
	{
		Name: "realtime: rows to be read whole are forgotten by a failure", Why: "a row that came cut off stays missing after one failed request",
		File: "source/reconcile/fetch.go", Package: "source/realtime", Tests: []string{"TestForcedRowsOutliveAFailure"},
		Old: "\t\t\trd.failed[t] = err\n\t\t\tc.o.Again(mine)\n", New: "\t\t\trd.failed[t] = err\n",
	},
	{
		Name: "realtime: what is too much is not halved", Why: "one row that cannot be read takes a hundred others with it",
		File: "source/reconcile/fetch.go", Package: "source/realtime", Tests: []string{"TestHalvingFindsTheRow"},
		Old: `case len(cands) > 1:`, New: `case len(cands) > fetchSize:`,
	},
	{
		Name: "realtime: a row is blamed for a server that is down", Why: "rows that nothing is wrong with are left out for a quarter of an hour",
		File: "source/reconcile/fetch.go", Package: "source/realtime", Tests: []string{"TestSilentServerIsNoUnreadableRow"},
		Old: `probe != nil {`, New: `probe != nil && len(cands) > 1 {`,
	},
	{
		Name: "realtime: the first workspace is read back first", Why: "one workspace's large rows keep all others waiting",
		File: "source/reconcile/fairqueue.go", Package: "source/realtime", Tests: []string{"TestWorkspacesAreReadFairly"},
		Old: `share := max((n-len(batch))/len(q.groups), 1)`, New: `share := n`,
	},
	{
		Name: "realtime: what the stream missed has no consequence", Why: "statuses of older messages that it lost, too, wait for the next comparison of the window",
		File: "source/realtime/deafchannel.go", Package: "source/realtime", Tests: []string{"TestAMissedRowIsFollowedByTheWindow"},
		Old: "\tr.compareWindow()\n", New: "",
	},
	{
		Name: "realtime: the end of the gateway's token is the key's", Why: "each day the operator is told to replace a good key",
		File: "source/realtime/channel.go", Package: "source/realtime", Tests: []string{"TestGatewayToken"},
		Old: `return gatewayKey(ss.key) && ss.wasLive }`, New: `return gatewayKey(ss.key) && !ss.wasLive }`,
	},
	{
		Name: "realtime: a live stream is enough to be well", Why: "while reading back fails, what the stream loses is missing behind an ok",
		File: "bridge/source_realtime.go", Package: "bridge", Tests: []string{"TestRealtimeLosses"},
		Old: `!r.FailingSince.IsZero() && now.Sub(r.FailingSince) > span`, New: `!r.FailingSince.IsZero() && now.Sub(r.FailingSince) < 0`,
	},
	{
		Name: "realtime: an anon key is taken for the service key", Why: "every event is missing, and nothing says so",
		File: "configs/servicekey.go", Package: "configs", Tests: []string{"TestComplete"},
		Old: `case "anon", "authenticated":`, New: `case "authenticated":`,
	},
	{
		Name: "realtime: what streams overtakes what is read back", Why: "messages of a conversation come out of order though the bridge knows of the loss",
		File: "source/realtime/streamed.go", Package: "source/realtime", Tests: []string{"TestAConversationWaitsForWhatIsReadBack"},
		Old: `if p.s.hold.holds(c) {`, New: `if p.s.hold.holds(c) && c.truncated {`,
	},
	{
		Name: "realtime: a conversation waits for ever", Why: "a reader that is slow stops the stream of a conversation, without a bound",
		File: "source/realtime/hold.go", Package: "source/realtime", Tests: []string{"TestAConversationWaitsForWhatIsReadBack"},
		Old: `h.conversations[id] = span{since, h.clock.Elapsed() + d}`, New: `h.conversations[id] = span{since, h.clock.Elapsed() + d + time.Hour}`,
	},
	{
		Name: "realtime: any number of changes waits for a conversation", Why: "memory grows with what streams",
		File: "source/realtime/publisher.go", Package: "source/realtime", Tests: []string{"TestAConversationWaitsForWhatIsReadBack"},
		Old: `if len(p.waiting)+len(items) > p.s.opts.QueueChanges {`, New: `if len(p.waiting)+len(items) < 0 {`,
	},
	{
		Name: "realtime: the first comparison goes by the bridge's clock", Why: "one that is ahead loses what happened during a restart",
		File: "source/reconcile/comparison.go", Package: "source/realtime", Tests: []string{"TestTheDatabasesClockCounts"},
		Old: "\tc.o.Clock.Read(shape.Time)\n", New: "",
	},
	{
		Name: "realtime: a row read back overrules a newer change", Why: "a status goes back",
		File: "source/realtime/batch.go", Package: "source/realtime", Tests: []string{"TestARereadRowYieldsToTheStream"},
		Old: `if known && e.Seq > b.Seq {`, New: `if known && e.Seq > b.Seq+1<<60 {`,
	},
	{
		Name: "realtime: a streamed change from before the reading is published", Why: "a status goes back",
		File: "source/realtime/streamed.go", Package: "source/realtime", Tests: []string{"TestAStaleChangeIsDropped"},
		Old: `known && !e.Deleted && e.AsOf > c.at.UnixMicro()`, New: `known && !e.Deleted && e.AsOf > c.at.UnixMicro()+1e15`,
	},
	{
		Name: "realtime: a short page is the last", Why: "where the server's limit is lower, rows past it are never read back",
		File: "source/reconcile/scan.go", Package: "source/realtime", Tests: []string{"TestAllPagesAreRead"},
		Old: `if n == 0 || (n < q.Limit && n < c.maxPage) {`, New: `if n == 0 || n < q.Limit {`,
	},
	{
		Name: "realtime: a row of before the start is a change", Why: "a start publishes the whole window as if it were new",
		File: "source/realtime/scan.go", Package: "source/realtime", Tests: []string{"TestRowsFromBeforeTheStartAreKnown"},
		Old: `case v == reconcile.Unknown && seq == 0 && !known && s.At < start:`, New: `case v == reconcile.Unknown && seq == 0 && known && s.At < start:`,
	},
	{
		Name: "realtime: only the time of update counts", Why: "a status that changed without its time is never read back",
		File: "source/reconcile/ledger.go", Package: "source/reconcile", Tests: []string{"TestAStatusWithoutATimeIsFound"},
		Old: `return e.Updated == s.Updated && slices.Equal(e.Watch, s.Watch)`, New: `return e.Updated == s.Updated && (s.Updated != 0 || slices.Equal(e.Watch, s.Watch))`,
	},
}
