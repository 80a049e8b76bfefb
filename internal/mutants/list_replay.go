package mutants

// replayLog: what the log holds, and what it says that it holds.
var replayLog = []Mutant{
	{
		Name: "replay: copies take an event's room", Why: "what is made for one client's names pushes out what another is still to get",
		File: "bridge/replay/log.go", Package: "bridge/replay", Tests: []string{"TestReadersCostNoEvent"},
		Old: "l.bytes+int64(size) > l.opts.MaxBytes)", New: "l.bytes+l.copies.bytes+int64(size) > l.opts.MaxBytes)",
	},
	{
		Name: "replay: copies are not bounded", Why: "clients that read under other ids double the log's memory",
		File: "bridge/replay/naming.go", Package: "bridge/replay", Tests: []string{"TestReadersCostNoEvent"},
		Old: "if l.bytes+l.copies.bytes+size > l.opts.MaxBytes {", New: "if size > l.opts.MaxBytes {",
	},
	{
		Name: "replay: an evicted message raises no floor", Why: "a session is restored with a gap where messages were evicted",
		File: "bridge/replay/space.go", Package: "bridge/replay", Tests: []string{"TestTheBusiestConversationGivesFirst", "TestAForgottenWorkspaceClaimsNothing"},
		Old: "\t\ts.messages = s.messages.Later(f)\n\t}\n\tc.messages", New: "\t}\n\tc.messages",
	},
	{
		Name: "replay: an evicted state raises no floor", Why: "a status that nobody has is taken for one that everybody got",
		File: "bridge/replay/space.go", Package: "bridge/replay", Tests: []string{"TestWindowEvicts"},
		Old: "\t\ts.newest = s.newest.Later(f)\n", New: "",
	},
	{
		Name: "replay: a conversation that comes back has lost nothing", Why: "a session is restored without the messages that were forgotten with their conversation",
		File: "bridge/replay/space.go", Package: "bridge/replay", Tests: []string{"TestAConversationThatComesBack"},
		Old: "c = &conversation{id: string(ev.Conversation), messages: s.forgotten}", New: "c = &conversation{id: string(ev.Conversation)}",
	},
	{
		Name: "replay: a new space covers everything", Why: "a quiet workspace that was forgotten restores sessions with a gap",
		File: "bridge/replay/log.go", Package: "bridge/replay", Tests: []string{"TestAForgottenWorkspaceClaimsNothing"},
		Old: `newSpace(workspace, l.floor.Later(l.forgotten[workspace]))`, New: `newSpace(workspace, Floor{})`,
	},
	{
		Name: "replay: the first workspace gives first", Why: "one tenant's import empties the window of the others",
		File: "bridge/replay/log.go", Package: "bridge/replay", Tests: []string{"TestTheLargestWorkspaceGivesFirst"},
		Old: "	l.largest.grown(s.place)\n	l.events++\n", New: "	l.events++\n",
	},
	{
		Name: "replay: the first conversation gives first", Why: "one conversation's import empties the window of the others of its workspace",
		File: "bridge/replay/space.go", Package: "bridge/replay", Tests: []string{"TestTheBusiestConversationGivesFirst"},
		Old: "	s.busiest.grown(c.place)\n	if seq", New: "	if seq",
	},
	{
		Name: "replay: what a client is still to read expires", Why: "a slow line through a burst loses what it had no time to take",
		File: "bridge/replay/log.go", Package: "bridge/replay", Tests: []string{"TestWindowEvicts"},
		Old: `if !l.old(e, now) || e.seq >= keep {`, New: `if !l.old(e, now) {`,
	},
	{
		Name: "replay: ages by the wall clock", Why: "a step of the clock empties the log",
		File: "bridge/replay/log.go", Package: "bridge/replay", Tests: []string{"TestTheWallClockAgesNothing"},
		Old: `return now.Sub(l.began)`, New: `return now.Round(0).Sub(l.began.Round(0))`,
	},
	{
		Name: "replay: a resumed session gets its last event again", Why: "recovered sessions are not exact",
		File: "bridge/replay/read.go", Package: "bridge/replay", Tests: []string{"TestReturningClientGetsEverythingAfterItsOffset"},
		Old: `e != nil && e.position().Compare(p) > 0 {`, New: `e != nil && e.position().Compare(p) >= 0 {`,
	},
	{
		Name: "replay: replaced conversations are sent to new clients", Why: "a new client is sent every state of the window",
		File: "bridge/replay/space.go", Package: "bridge/replay", Tests: []string{"TestNewClientGetsTheNewestOfEach"},
		Old: "c.entries.at(int(c.update - 1 - c.base)).superseded = true", New: "_ = c.update",
	},
	{
		Name: "replay: replaced statuses are sent to new clients", Why: "a status goes back and forth before the client's eyes",
		File: "bridge/replay/space.go", Package: "bridge/replay", Tests: []string{"TestNewClientGetsTheNewestOfEach"},
		Old: "e.superseded = e.commit != commit || !again", New: "e.superseded = e.commit == 0",
	},
	{
		Name: "replay: a status replaces an older one under its own id alone", Why: "a client that subscribes while a status has yet to come under the message's other id is sent the older one after it",
		File: "bridge/replay/space.go", Package: "bridge/hub", Tests: []string{"TestStatusNeverGoesBackBetweenItsIDs"},
		Old: "\t\t\town = ev.Of\n", New: "",
	},
	{
		Name: "replay: a resumed session skips replaced events", Why: "it has not seen what it would have seen live",
		File: "bridge/replay/read.go", Package: "bridge/replay", Tests: []string{"TestReturningClientGetsEverythingAfterItsOffset"},
		Old: `return sc.Everything || !e.superseded`, New: `return !e.superseded`,
	},
	{
		Name: "replay: reading goes on past where it is told to stop", Why: "a conversation's messages come twice, or before older ones",
		File: "bridge/replay/read.go", Package: "bridge/replay", Tests: []string{"TestReadingStopsWhereItIsTold"},
		Old: "\t\tif e.seq >= until {\n\t\t\tbreak\n\t\t}\n", New: "",
	},
	{
		Name: "replay: another history keeps the old floor", Why: "after a restore no session is restored until positions have caught up",
		File: "bridge/replay/log.go", Package: "bridge/replay", Tests: []string{"TestClearForgetsPositions"},
		Old: "\t\ts.clearPositions()\n", New: "",
	},
	{
		Name: "replay: a workspace lacks what others have lost", Why: "clients that come back to a quiet workspace are told of gaps of others",
		File: "bridge/replay/log.go", Package: "bridge/hub", Tests: []string{"TestEvictionsOfOthersAreNotTold"},
		Old: "	l.forgotten[s.Workspace] = floor\n", New: "	l.floor = l.floor.Later(floor)\n",
	},
	{
		Name: "replay: no workspace has a share", Why: "one tenant's flood fills the log",
		File: "bridge/replay/log.go", Package: "bridge/hub", Tests: []string{"TestAWorkspacesShareOfTheLog"},
		Old: "	for l.overShare(s) {\n", New: "	for false {\n",
	},
}
