package mutants

// replayLog: what the log holds, and what it says that it holds.
var replayLog = []Mutant{
	{
		Name: "replay: the floor does not rise", Why: "a session is restored with a hole where events were evicted",
		File: "bridge/replay/space.go", Package: "bridge/replay", Tests: []string{"TestWindowEvicts"},
		Old: "\ts.floor = e.position\n", New: "",
	},
	{
		Name: "replay: covers what it just evicted", Why: "an offset just below the oldest entry restores a session with a hole",
		File: "bridge/replay/space.go", Package: "bridge/replay", Tests: []string{"TestWindowEvicts"},
		Old: `return s.floor.Compare(p) <= 0`, New: `return s.floor.Compare(p) <= 1`,
	},
	{
		Name: "replay: a new space covers everything", Why: "a quiet workspace that was forgotten restores sessions with a hole",
		File: "bridge/replay/log.go", Package: "bridge/replay", Tests: []string{"TestBoundsEvictTheOldestOfAllWorkspaces"},
		Old: `newSpace(workspace, l.appended, l.evicted)`, New: `newSpace(workspace, l.appended, source.Position{})`,
	},
	{
		Name: "replay: sequences begin anew", Why: "a client's place in a forgotten space points behind what it has not read",
		File: "bridge/replay/log.go", Package: "bridge/replay", Tests: []string{"TestSequencesGoOnWhenASpaceIsMadeAnew"},
		Old: `newSpace(workspace, l.appended, l.evicted)`, New: `newSpace(workspace, 0, l.evicted)`,
	},
	{
		Name: "replay: a slow reader goes on past a hole", Why: "what it had yet to read is gone, and nobody says so",
		File: "bridge/replay/cursor.go", Package: "bridge/replay", Tests: []string{"TestWindowEvicts"},
		Old: "\tif c.next < c.space.base {\n\t\treturn dst, false, ErrEvicted\n\t}\n",
		New: "\tif c.next < c.space.base {\n\t\tc.next = c.space.base\n\t}\n",
	},
	{
		Name: "replay: a resumed session gets its last event again", Why: "recovered sessions are not exact",
		File: "bridge/replay/space.go", Package: "bridge/replay", Tests: []string{"TestReturningClientGetsEverythingAfterItsOffset"},
		Old: `position.Compare(p) <= 0`, New: `position.Compare(p) < 0`,
	},
	{
		Name: "replay: replaced events are sent to new clients", Why: "a new client is sent every state of the window",
		File: "bridge/replay/space.go", Package: "bridge/replay", Tests: []string{"TestNewClientGetsTheNewestOfEach"},
		Old: "\t\tif c.hasUpdate {\n\t\t\ts.supersede(c.update)\n\t\t}\n", New: "",
	},
	{
		Name: "replay: replaced statuses are sent to new clients", Why: "a status goes back and forth before the client's eyes",
		File: "bridge/replay/space.go", Package: "bridge/replay", Tests: []string{"TestNewClientGetsTheNewestOfEach"},
		Old: "\t\t\ts.supersede(e.status.last)\n", New: "",
	},
	{
		Name: "replay: a resumed session skips replaced events", Why: "it has not seen what it would have seen live",
		File: "bridge/replay/cursor.go", Package: "bridge/replay", Tests: []string{"TestReturningClientGetsEverythingAfterItsOffset"},
		Old: `return c.scope.Everything || !e.superseded`, New: `return !e.superseded`,
	},
	{
		Name: "replay: a conversation is followed past the oldest entry", Why: "a subscriber is sent what is not of its conversation, or the process ends",
		File: "bridge/replay/cursor.go", Package: "bridge/replay", Tests: []string{"TestAgainstModel"},
		Old: `if e.back == 0 || uint64(e.back) > seq-c.next {`, New: `if e.back == 0 {`,
	},
	{
		Name: "replay: another history keeps the old floor", Why: "after a restore no session is restored until positions have caught up",
		File: "bridge/replay/log.go", Package: "bridge/replay", Tests: []string{"TestClearForgetsPositions"},
		Old: "\tl.head, l.evicted = source.Position{}, source.Position{}\n", New: "\tl.head = source.Position{}\n",
	},
}
